"""NULL, PLAIN, CURVE and ZAP as an application sees them, in both worlds (F133, F135, F179, F182; RFC 24, 26, 27)."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from .stage import Stage, Task
from .test_monitor import told, watch

SERVER_SECRET = b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
SERVER_PUBLIC = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
CLIENT_SECRET = b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
CLIENT_PUBLIC = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
ZEROS = b"0" * 40

ONCE = {"RECONNECT_IVL": 10_000}
PLAIN_SERVER = {"PLAIN_SERVER": 1, "ZAP_DOMAIN": b"test", "ROUTING_ID": b"IDENT"}
PLAIN_CLIENT = {"PLAIN_USERNAME": b"admin", "PLAIN_PASSWORD": b"secret", **ONCE}
CURVE_SERVER = {"CURVE_SERVER": 1, "CURVE_SECRETKEY": SERVER_SECRET}
CURVE_CLIENT = {
    "CURVE_SERVERKEY": SERVER_PUBLIC,
    "CURVE_PUBLICKEY": CLIENT_PUBLIC,
    "CURVE_SECRETKEY": CLIENT_SECRET,
    **ONCE,
}
NULL_SERVER = {"ZAP_DOMAIN": b"test"}

UP = ("HANDSHAKE_SUCCEEDED", 0)
CUT = ("HANDSHAKE_FAILED_NO_DETAIL", errno.EPIPE)
NOBODY = ("HANDSHAKE_FAILED_NO_DETAIL", errno.EFAULT)
DOWN = ("DISCONNECTED", "")
RETRIED = [CUT, DOWN, ("CONNECT_RETRIED", "")]


def refused(status: int) -> tuple[str, int]:
    return ("HANDSHAKE_FAILED_AUTH", status)


def broken(stage: Stage, name: str) -> tuple[str, int]:
    return ("HANDSHAKE_FAILED_PROTOCOL", int(getattr(stage.zmq, f"PROTOCOL_ERROR_{name}")))


def answer(request: list[bytes], **changes: bytes) -> list[bytes]:
    """A handler's reply with some of its fields changed."""
    fields = {"version": request[0], "id": request[1], "status": b"200", "text": b"", "user": b"me", "metadata": b""}
    return list({**fields, **changes}.values())


def handle(stage: Stage, **changes: bytes) -> tuple[Task, list[list[bytes]]]:
    """A ZAP handler beside the body, and the requests that it got; it ends when none has come for a second."""
    handler = stage.socket(stage.zmq.REP, RCVTIMEO=1000)
    handler.bind("inproc://zeromq.zap.01")
    stage.hand_over(handler)
    requests: list[list[bytes]] = []

    def run() -> None:
        try:
            while True:
                requests.append(handler.recv_multipart())
                handler.send_multipart(answer(requests[-1], **changes))
        except stage.zmq.Again:
            handler.close(0)

    return stage.spawn(run), requests


def failures(stage: Stage, reader: Any) -> list[tuple[str, Any]]:
    """What the monitor tells once the transport stands; of descriptors only that there is one."""
    seen = ("HANDSHAKE", "DISCONNECTED", "CONNECT_RETRIED")
    events = [event for event in told(stage, reader, idle_ms=100) if event[0].startswith(seen)]
    return [(name, value if "HANDSHAKE" in name else "") for name, value, _ in events]


def meet(stage: Stage, server: dict[str, Any], client: dict[str, Any]) -> tuple[list[Any], list[Any], list[bool]]:
    """The events of both sides, and whether a message passes each way."""
    zmq = stage.zmq
    bound, connected = stage.socket(zmq.DEALER, **server), stage.socket(zmq.DEALER, **client)
    at_bound, at_connected = watch(stage, bound), watch(stage, connected)
    connected.connect(stage.bind(bound))
    stage.settle(0.4)
    stage.offer(connected, "to server")
    there = stage.take(bound, 0.2) == ["to server"]
    stage.offer(bound, "to client")
    back = stage.take(connected, 0.2) == ["to client"]
    return failures(stage, at_bound), failures(stage, at_connected), [there, back]


ADMITTED = [
    (NULL_SERVER, ONCE, [b"test", b"127.0.0.1", b"", b"NULL"]),
    (PLAIN_SERVER, PLAIN_CLIENT, [b"test", b"127.0.0.1", b"IDENT", b"PLAIN", b"admin", b"secret"]),
    (CURVE_SERVER, CURVE_CLIENT, [b"", b"127.0.0.1", b"", b"CURVE"]),
]


@pytest.mark.parametrize(("server", "client", "asked"), ADMITTED, ids=["null", "plain", "curve"])
def test_admitted(stage: Stage, server: dict[str, Any], client: dict[str, Any], asked: list[bytes]) -> None:
    def body(stage: Stage) -> None:
        task, requests = handle(stage)
        assert meet(stage, server, client) == ([UP], [UP], [True, True])
        task.join()
        ((version, number, *rest),) = requests
        assert (version, number, rest[: len(asked)]) == (b"1.0", b"1", asked)
        assert [len(key) for key in rest[len(asked) :]] == ([32] if b"CURVE" in asked else [])

    stage.play(body)


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize(("server", "client", "_asked"), ADMITTED, ids=["null", "plain", "curve"])
def test_refused_is_told_and_final(
    stage: Stage, server: dict[str, Any], client: dict[str, Any], _asked: list[bytes], status: int
) -> None:
    def body(stage: Stage) -> None:
        task, requests = handle(stage, status=b"%d" % status)
        events = [refused(status), DOWN]
        assert meet(stage, server, client) == (events, events, [False, False])
        task.join()
        assert len(requests) == 1

    stage.play(body)


@pytest.mark.parametrize(("server", "client", "_asked"), ADMITTED[1:], ids=["plain", "curve"])
def test_a_temporary_failure_is_not_told(
    stage: Stage, server: dict[str, Any], client: dict[str, Any], _asked: list[bytes]
) -> None:
    def body(stage: Stage) -> None:
        task, _ = handle(stage, status=b"300")
        at_server, at_client, passed = meet(stage, server, client)
        # Mostly the connection just hangs; when the answer is there at once, it breaks.
        assert at_server[0] == refused(300)
        assert at_client in ([], RETRIED)
        assert passed == [False, False]
        task.join()

    stage.play(body)


MALFORMED = [
    ({"version": b"2.0"}, "ZAP_BAD_VERSION"),
    ({"id": b"2"}, "ZAP_BAD_REQUEST_ID"),
    ({"status": b"201"}, "ZAP_INVALID_STATUS_CODE"),
    ({"metadata": b"\5Hello\0\0\0\5Wor"}, "ZAP_INVALID_METADATA"),
    ({"more": b""}, "ZAP_MALFORMED_REPLY"),
]


@pytest.mark.parametrize(("changes", "error"), MALFORMED, ids=[error for _, error in MALFORMED])
@pytest.mark.parametrize(("server", "client", "_asked"), ADMITTED, ids=["null", "plain", "curve"])
def test_a_malformed_reply(
    stage: Stage,
    server: dict[str, Any],
    client: dict[str, Any],
    _asked: list[bytes],
    changes: dict[str, bytes],
    error: str,
) -> None:
    def body(stage: Stage) -> None:
        task, _ = handle(stage, **changes)
        at_server, at_client, passed = meet(stage, server, client)
        # The client only sees the connection break, and would try again. With NULL it hangs when the answer was
        # there at once.
        hangs = ([broken(stage, error)], []) if server is NULL_SERVER else None
        assert (at_server, at_client) in (([broken(stage, error), DOWN], RETRIED), hangs)
        assert passed == [False, False]
        task.join()

    stage.play(body)


@pytest.mark.parametrize(
    ("server", "client", "at_server", "at_client", "passes"),
    [
        (NULL_SERVER, ONCE, [UP], [UP], True),
        ({**NULL_SERVER, "ZAP_ENFORCE_DOMAIN": 1}, ONCE, [NOBODY, NOBODY], [], False),
        ({"ZAP_ENFORCE_DOMAIN": 1}, ONCE, [UP], [UP], True),
        (PLAIN_SERVER, PLAIN_CLIENT, [NOBODY, DOWN], RETRIED, False),
        (CURVE_SERVER, CURVE_CLIENT, [UP], [UP], True),
        ({**CURVE_SERVER, "ZAP_ENFORCE_DOMAIN": 1}, CURVE_CLIENT, [UP], [UP], True),
        (
            {**CURVE_SERVER, "ZAP_ENFORCE_DOMAIN": 1, "ZAP_DOMAIN": b"test"},
            CURVE_CLIENT,
            [NOBODY, DOWN],
            RETRIED,
            False,
        ),
    ],
    ids=["null", "null-enforced", "null-no-domain", "plain", "curve", "curve-no-domain", "curve-enforced"],
)
def test_without_a_handler(
    stage: Stage, server: dict[str, Any], client: dict[str, Any], at_server: Any, at_client: Any, passes: bool
) -> None:
    def body(stage: Stage) -> None:
        found = meet(stage, server, client)
        # The real library's server now and then only fails the handshake and leaves the connection as it is.
        hangs = ([NOBODY], [], [False, False]) if stage.world == "live" and at_server == [NOBODY, DOWN] else None
        assert found in ((at_server, at_client, [passes, passes]), hangs)

    stage.play(body)


@pytest.mark.parametrize(
    ("server", "client", "error"),
    [
        (CURVE_SERVER, ONCE, "ZMTP_MECHANISM_MISMATCH"),
        ({}, CURVE_CLIENT, "ZMTP_MECHANISM_MISMATCH"),
        (PLAIN_SERVER, CURVE_CLIENT, "ZMTP_MECHANISM_MISMATCH"),
        (PLAIN_CLIENT, PLAIN_CLIENT, "ZMTP_UNEXPECTED_COMMAND"),
        (CURVE_CLIENT, CURVE_CLIENT, "ZMTP_UNEXPECTED_COMMAND"),
    ],
    ids=["curve-null", "null-curve", "plain-curve", "plain-clients", "curve-clients"],
)
def test_two_that_do_not_fit(stage: Stage, server: dict[str, Any], client: dict[str, Any], error: str) -> None:
    """Whoever sees it first closes, and the other one usually sees it too; neither tries again."""

    def body(stage: Stage) -> None:
        at_server, at_client, passed = meet(stage, server, client)
        assert at_server == [broken(stage, error), DOWN]
        assert at_client == [broken(stage, error), DOWN]
        assert passed == [False, False]

    stage.play(body)


@pytest.mark.parametrize("options", [PLAIN_SERVER, CURVE_SERVER], ids=["plain", "curve"])
def test_two_servers_wait_for_each_other(stage: Stage, options: dict[str, Any]) -> None:
    def body(stage: Stage) -> None:
        assert meet(stage, options, {**options, **ONCE}) == ([], [], [False, False])

    stage.play(body)


def test_two_servers_give_up_in_time(stage: Stage) -> None:
    """HANDSHAKE_IVL of both sides; the value is what errno was left at (F132)."""

    def body(stage: Stage) -> None:
        options = {**PLAIN_SERVER, "HANDSHAKE_IVL": 100}
        expired = ("HANDSHAKE_FAILED_NO_DETAIL", errno.EAGAIN)
        at_server, at_client, passed = meet(stage, options, {**options, **ONCE})
        # Whichever timer comes first cuts the connection.
        assert at_client in ([expired, *RETRIED[1:]], RETRIED)
        assert at_server in ([expired, DOWN], [CUT, DOWN])
        assert expired in (at_client[0], at_server[0])
        assert passed == [False, False]

    stage.play(body)


@pytest.mark.parametrize(
    "changes",
    [
        {"CURVE_SERVERKEY": CLIENT_PUBLIC},
        {"CURVE_PUBLICKEY": SERVER_PUBLIC},
        {"CURVE_PUBLICKEY": ZEROS},
        {"CURVE_SECRETKEY": ZEROS},
    ],
    ids=["server-key", "public-key", "public-zero", "secret-zero"],
)
def test_a_wrong_key_is_noticed_by_the_server(stage: Stage, changes: dict[str, bytes]) -> None:
    def body(stage: Stage) -> None:
        at_server, at_client, passed = meet(stage, CURVE_SERVER, {**CURVE_CLIENT, **changes})
        assert at_server == [broken(stage, "ZMTP_CRYPTOGRAPHIC"), DOWN]
        assert at_client == RETRIED
        assert passed == [False, False]

    stage.play(body)


def test_a_server_key_of_zeros_is_noticed_by_the_client(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        at_server, at_client, passed = meet(stage, CURVE_SERVER, {**CURVE_CLIENT, "CURVE_SERVERKEY": ZEROS})
        assert (at_server, at_client, passed) == ([], [broken(stage, "ZMTP_CRYPTOGRAPHIC")], [False, False])

    stage.play(body)


def test_new_keys_fit_each_other(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        (public, secret), (other, _) = zmq.curve_keypair(), zmq.curve_keypair()
        assert len(public) == len(secret) == 40
        assert public != other
        assert zmq.curve_public(secret) == public
        assert zmq.curve_public(SERVER_SECRET) == SERVER_PUBLIC
        assert zmq.curve_public(CLIENT_SECRET.decode()) == CLIENT_PUBLIC
        server = {"CURVE_SERVER": 1, "CURVE_SECRETKEY": secret}
        assert meet(stage, server, {**CURVE_CLIENT, "CURVE_SERVERKEY": public}) == ([UP], [UP], [True, True])
        with pytest.raises(ValueError, match="40 byte"):
            zmq.curve_public(b"x")
        assert stage.attempt(zmq.curve_public, b" " * 40) == "EINVAL"

    stage.play(body)


def test_what_a_frame_tells(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        task, _ = handle(stage, user=b"anna", metadata=b"\5Hello\0\0\0\5World")
        bound = stage.socket(zmq.ROUTER, ZAP_DOMAIN=b"test")
        connected = stage.socket(zmq.DEALER, ROUTING_ID=b"bob")
        connected.setsockopt(95, b"X-Colour:blue")
        connected.connect(stage.bind(bound))
        connected.send(b"hi")
        for frame in bound.recv_multipart(copy=False):
            told = {name: frame.get(name) for name in ("User-Id", "Hello", "Socket-Type", "Identity", "X-Colour")}
            assert list(told.values()) == ["anna", "World", "DEALER", "bob", "blue"]
            assert frame.get("Peer-Address") == "127.0.0.1"
            assert stage.attempt(frame.get, "No Such") == "EINVAL"
        task.join()

    stage.play(body)


def test_a_credential_takes_a_place_in_the_pipe(stage: Stage) -> None:
    """RCVHWM 1 and a user id: nothing is received (F25)."""

    def body(stage: Stage) -> None:
        zmq = stage.zmq
        for mark, received in ((1, []), (2, [b"x"])):
            task, _ = handle(stage)
            bound = stage.socket(zmq.PULL, RCVHWM=mark, **PLAIN_SERVER)
            connected = stage.socket(zmq.PUSH, **PLAIN_CLIENT)
            connected.connect(stage.bind(bound))
            stage.settle()
            connected.send(b"x")
            assert [message[0] for message in stage.drain(bound)] == received
            task.join()
            stage.settle(0.05)

    stage.play(body)


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("PLAIN_SERVER", 2, "EINVAL"),
        ("PLAIN_USERNAME", b"", "EINVAL"),
        ("PLAIN_USERNAME", b"x" * 256, "EINVAL"),
        ("PLAIN_PASSWORD", b"x" * 255, "ok"),
        ("CURVE_SERVER", 3, "EINVAL"),
        ("CURVE_SERVERKEY", b"x" * 39, "EINVAL"),
        ("CURVE_SERVERKEY", b"x" * 32, "ok"),
        ("CURVE_PUBLICKEY", b"#" * 40, "EINVAL"),
        ("CURVE_PUBLICKEY", b" " * 40, "EINVAL"),
        ("CURVE_PUBLICKEY", b"0" * 41, "EINVAL"),
        ("CURVE_SECRETKEY", b"0" * 40 + b"\0", "ok"),
        ("ZAP_DOMAIN", b"", "EINVAL"),
        ("ZAP_DOMAIN", b"x" * 256, "EINVAL"),
        ("ZAP_ENFORCE_DOMAIN", 2, "ok"),
        ("METADATA", b"X-a:b", "ok"),
        ("METADATA", b"a:b", "EINVAL"),
        ("METADATA", b"X-a:", "EINVAL"),
        ("GSSAPI_SERVER", 1, "EINVAL"),
        ("GSSAPI_PRINCIPAL", b"x", "EINVAL"),
    ],
)
def test_what_an_option_takes(stage: Stage, option: str, value: Any, error: str) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        number = 95 if option == "METADATA" else getattr(zmq, option)
        assert stage.attempt(stage.socket(zmq.DEALER).setsockopt, number, value) == error

    stage.play(body)


def test_the_last_option_chooses_the_mechanism(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        zmq = stage.zmq
        socket = stage.socket(zmq.DEALER)
        seen = []
        for option, value in (
            ("PLAIN_SERVER", 1),
            ("PLAIN_USERNAME", b"a"),
            ("CURVE_SERVER", 1),
            ("CURVE_PUBLICKEY", CLIENT_PUBLIC),
            ("CURVE_SERVERKEY", SERVER_PUBLIC),
            ("PLAIN_PASSWORD", b"b"),
            ("CURVE_SERVER", 0),
        ):
            socket.setsockopt(getattr(zmq, option), value)
            seen.append((socket.mechanism, socket.plain_server, socket.curve_server))
        assert seen == [(1, 1, 0), (1, 0, 0), (2, 0, 1), (2, 0, 1), (2, 0, 0), (1, 0, 0), (0, 0, 0)]
        assert (socket.plain_username, socket.plain_password) == (b"a", b"b")
        assert stage.attempt(socket.getsockopt, zmq.CURVE_PUBLICKEY) == "EINVAL"
        assert stage.attempt(socket.getsockopt, zmq.GSSAPI_SERVER) == "EINVAL"

    stage.play(body)


def test_what_the_library_has(stage: Stage) -> None:
    def body(stage: Stage) -> None:
        has = stage.zmq.has
        assert [name for name in ("ipc", "curve", "gssapi", "draft", "pgm", "norm", "vmci") if has(name)] == [
            "ipc",
            "curve",
        ]

    stage.play(body)
