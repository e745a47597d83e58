"""Which addresses are taken, how they are shown, and the error for those that are not: one table, both worlds."""

from __future__ import annotations

import pytest

from .stage import Stage

pytestmark = pytest.mark.timeout(30)

LONG, TOO_LONG = "a" * 107, "a" * 108

# What LAST_ENDPOINT shows (PORT for any port, FOLDER for any folder), or the error.
BOUND = (
    ("tcp://127.0.0.1:*", "tcp://127.0.0.1:PORT"),
    ("tcp://127.0.0.1:0", "tcp://127.0.0.1:PORT"),
    ("tcp://*:*", "tcp://0.0.0.0:PORT"),
    ("tcp://0.0.0.0:*", "tcp://0.0.0.0:PORT"),
    ("tcp://localhost:*", "tcp://127.0.0.1:PORT"),
    ("tcp://lo:*", "tcp://127.0.0.1:PORT"),
    ("tcp://127.0.0.2:*", "tcp://127.0.0.2:PORT"),
    ("tcp://127.1:*", "tcp://127.0.0.1:PORT"),
    ("tcp://127.0.0.1:0;127.0.0.1:*", "tcp://127.0.0.1:PORT"),
    ("tcp://nosuch0:*", "ENODEV"),
    ("tcp://256.0.0.1:*", "ENODEV"),
    ("tcp://:5599", "ENODEV"),
    ("tcp://[::1]:*", "ENODEV"),
    ("tcp://::1:*", "ENODEV"),
    ("tcp://10.255.1.1:5599", "EADDRNOTAVAIL"),
    ("tcp://1.2.3:*", "EADDRNOTAVAIL"),
    ("tcp://127.0.0.1", "EINVAL"),
    ("tcp://127.0.0.1:", "EINVAL"),
    ("tcp://127.0.0.1:abc", "EINVAL"),
    ("tcp://127.0.0.1:65536", "EINVAL"),
    ("tcp://127.0.0.1:*;x", "EINVAL"),
    ("tcp://", "EINVAL"),
    ("tcp:/", "EINVAL"),
    ("tcp", "EINVAL"),
    ("", "EINVAL"),
    ("127.0.0.1:5599", "EINVAL"),
    ("://x", "EINVAL"),
    ("TCP://127.0.0.1:*", "EPROTONOSUPPORT"),
    ("foo://x", "EPROTONOSUPPORT"),
    ("udp://127.0.0.1:5599", "ENOCOMPATPROTO"),
    ("pgm://eth0;239.1.1.1:5555", "EPROTONOSUPPORT"),
    ("epgm://127.0.0.1;239.1.1.1:5555", "EPROTONOSUPPORT"),
    ("norm://239.1.1.1:5555", "EPROTONOSUPPORT"),
    ("vmci://*:*", "EPROTONOSUPPORT"),
    ("ws://127.0.0.1:*", "EPROTONOSUPPORT"),
    ("inproc://", "EINVAL"),
    ("inproc://*", "inproc://*"),
    ("ipc://", "EINVAL"),
    ("ipc://*", "ipc://FOLDER/socket"),
    ("ipc://@", "EINVAL"),
    (f"ipc://{TOO_LONG}", "ENAMETOOLONG"),
)

CONNECTED = (
    ("tcp://127.0.0.1:0", "ok"),
    ("tcp://0.0.0.0:5599", "ok"),
    ("tcp://localhost:5599", "ok"),
    ("tcp://lo:5599", "ok"),
    ("tcp://no.such.host.invalid:5599", "ok"),
    ("tcp://a_b:5599", "ok"),
    ("tcp://x-:1", "ok"),
    ("tcp://:5599", "ok"),
    ("tcp://127.0.0.1:65536", "ok"),
    ("tcp://127.0.0.1:80a", "ok"),
    ("tcp://[::1]:5599", "ok"),
    ("tcp://127.0.0.1:*;127.0.0.1:5599", "ok"),
    ("tcp://lo;127.0.0.1:5599", "ok"),
    ("tcp://127.0.0.1:5598;", "ok"),
    ("tcp://127.0.0.1:5598;127.0.0.1", "ok"),
    ("tcp://127.0.0.1:*", "EINVAL"),
    ("tcp://*:5599", "EINVAL"),
    ("tcp://*;127.0.0.1:5599", "EINVAL"),
    ("tcp://-x:5599", "EINVAL"),
    ("tcp://_x:1", "EINVAL"),
    ("tcp://a b:5599", "EINVAL"),
    ("tcp://127.0.0.1:5599/x", "EINVAL"),
    ("tcp://127.0.0.1", "EINVAL"),
    ("tcp://127.0.0.1:-1", "EINVAL"),
    ("tcp://;127.0.0.1:5599", "EINVAL"),
    ("tcp://", "EINVAL"),
    ("x", "EINVAL"),
    ("foo://x", "EPROTONOSUPPORT"),
    ("udp://127.0.0.1:5599", "ENOCOMPATPROTO"),
    ("epgm://127.0.0.1;239.1.1.1:5555", "EPROTONOSUPPORT"),
    ("norm://239.1.1.1:5555", "EPROTONOSUPPORT"),
    ("vmci://2:5555", "EPROTONOSUPPORT"),
    ("wss://127.0.0.1:5599", "EPROTONOSUPPORT"),
    ("inproc://", "EINVAL"),
    ("inproc://a", "ok"),
    ("ipc://*", "ok"),
    ("ipc://@abs", "ok"),
    ("ipc:///nosuchdir/x", "ok"),
    (f"ipc://{LONG}", "ok"),
    ("ipc://@", "EINVAL"),
    (f"ipc://{TOO_LONG}", "ENAMETOOLONG"),
)

WITH_IPV6 = (
    ("tcp://*:*", "tcp://[::]:PORT"),
    ("tcp://[::]:*", "tcp://[::]:PORT"),
    ("tcp://127.0.0.1:*", "tcp://[::ffff:127.0.0.1]:PORT"),
    ("tcp://[::1]:*", "tcp://[::1]:PORT"),
    ("tcp://::1:*", "tcp://[::1]:PORT"),
)

# A first bind, and a second one to the same port; None for success.
SECOND = (
    ("tcp://127.0.0.1:*", "tcp://127.0.0.1:PORT", "EADDRINUSE"),
    ("tcp://127.0.0.1:*", "tcp://*:PORT", "EADDRINUSE"),
    ("tcp://*:*", "tcp://127.0.0.1:PORT", "EADDRINUSE"),
    ("tcp://127.0.0.1:*", "tcp://127.0.0.2:PORT", "ok"),
    ("inproc://name", "inproc://name", "EADDRINUSE"),
    ("ipc://@abstract-name", "ipc://@abstract-name", "EADDRINUSE"),
    ("ipc://*", "SAME", "ok"),
)

NEVER_OPENED = (
    ("", "EINVAL"),
    ("x", "EINVAL"),
    ("tcp://", "EINVAL"),
    ("foo://x", "EPROTONOSUPPORT"),
    ("udp://127.0.0.1:1", "ENOCOMPATPROTO"),
    ("tcp://127.0.0.1:abc", "ENOENT"),
    ("tcp://*:*", "ENOENT"),
    ("inproc://nix", "ENOENT"),
    ("ipc://nix", "ENOENT"),
)


def shown(endpoint: str) -> str:
    transport, _, rest = endpoint.partition("://")
    if transport == "tcp":
        return f"tcp://{rest.rpartition(':')[0]}:PORT"
    if rest.endswith("/socket"):
        return f"{transport}://FOLDER/socket"
    return endpoint


def bind(stage: Stage, address: str, ipv6: int) -> str:
    socket = stage.socket(stage.zmq.PUSH, IPV6=ipv6)
    outcome = stage.attempt(socket.bind, address)
    return shown(stage.last_endpoint(socket)) if outcome == "ok" else outcome


@pytest.mark.parametrize(("address", "expected"), BOUND)
def test_bind(stage: Stage, address: str, expected: str) -> None:
    """zmq_bind(3), zmq_tcp(7), zmq_ipc(7), zmq_inproc(7), and what 4.3.5 makes of what they do not say."""
    assert stage.play(bind, address, 0) == expected


@pytest.mark.parametrize(("address", "expected"), WITH_IPV6)
def test_bind_with_ipv6(stage: Stage, address: str, expected: str) -> None:
    """zmq_setsockopt(3), ZMQ_IPV6."""
    assert stage.play(bind, address, 1) == expected


def connect(stage: Stage, address: str) -> str:
    socket = stage.socket(stage.zmq.PULL)
    outcome = stage.attempt(socket.connect, address)
    if outcome == "ok":
        assert stage.last_endpoint(socket) == address
    return outcome


@pytest.mark.parametrize(("address", "expected"), CONNECTED)
def test_connect(stage: Stage, address: str, expected: str) -> None:
    """zmq_connect(3): hardly more than the look of an address is checked before the first attempt."""
    assert stage.play(connect, address) == expected


def bind_twice(stage: Stage, first: str, second: str) -> str:
    one, other = stage.socket(stage.zmq.PUSH), stage.socket(stage.zmq.PUSH)
    one.bind(first)
    endpoint = stage.last_endpoint(one)
    second = endpoint if second == "SAME" else second.replace("PORT", endpoint.rpartition(":")[2])
    return stage.attempt(other.bind, second)


@pytest.mark.parametrize(("first", "second", "expected"), SECOND)
def test_bind_where_somebody_listens(stage: Stage, first: str, second: str, expected: str) -> None:
    """EADDRINUSE; a path of ipc is taken over silently (F208)."""
    assert stage.play(bind_twice, first, second) == expected


def close_what_is_not_open(stage: Stage, address: str) -> list[str]:
    socket = stage.socket(stage.zmq.PULL)
    return [stage.attempt(socket.unbind, address), stage.attempt(socket.disconnect, address)]


@pytest.mark.parametrize(("address", "expected"), NEVER_OPENED)
def test_unbind_and_disconnect(stage: Stage, address: str, expected: str) -> None:
    """zmq_unbind(3), zmq_disconnect(3): the address is read first, then looked for."""
    assert stage.play(close_what_is_not_open, address) == [expected, expected]


def takes_over(stage: Stage) -> list[str]:
    first, second, push = (stage.socket(kind) for kind in (stage.zmq.PULL, stage.zmq.PULL, stage.zmq.PUSH))
    endpoint = stage.bind(first, "ipc")
    second.bind(endpoint)
    first.unbind(endpoint)
    push.connect(endpoint)
    push.send(b"x")
    return [str(stage.take(second)), stage.take(first, 0.1)]


def test_a_path_that_was_taken_over_stays_so(stage: Stage) -> None:
    """Also when the first holder unbinds (F208)."""
    assert stage.play(takes_over) == ["['x']", "EAGAIN"]


# -- attempts that fail before anything is sent -------------------------------------------------------

ATTEMPTS = (
    ("tcp://lo:5599", ["connect_retried"]),
    ("tcp://[::1]:5599", ["connect_retried"]),
    ("tcp://nosuch:0;127.0.0.1:5599", ["connect_retried"]),
    ("tcp://127.0.0.1:5598;127.0.0.1", ["connect_retried"]),
    ("tcp://10.255.1.1:0;127.0.0.1:5599", ["closed", "connect_retried"]),
    ("tcp://127.0.0.1:0", ["connect_delayed", "closed", "connect_retried"]),
    ("tcp://0.0.0.0:5599", ["connect_delayed", "closed", "connect_retried"]),
    ("ipc://*", ["closed", "connect_retried"]),
    ("ipc://@no-such-name", ["closed", "connect_retried"]),
)


def watch(stage: Stage, address: str) -> list[str]:
    zmq = stage.zmq
    socket = stage.socket(zmq.PUSH)
    monitor = socket.get_monitor_socket()
    socket.connect(address)
    names = {
        zmq.EVENT_CONNECT_DELAYED: "connect_delayed",
        zmq.EVENT_CLOSED: "closed",
        zmq.EVENT_CONNECT_RETRIED: "connect_retried",
    }
    events: list[str] = []
    while not events or events[-1] != "connect_retried":
        assert monitor.poll(2000), "nothing more happens"
        number = int.from_bytes(monitor.recv_multipart()[0][:2], "little")
        events.append(names.get(number, str(number)))
    socket.disable_monitor()
    monitor.close(0)
    return events


@pytest.mark.parametrize(("address", "expected"), ATTEMPTS)
def test_an_attempt_that_fails_at_once(stage: Stage, address: str, expected: list[str]) -> None:
    """F127, F208, F233: what cannot be resolved is only retried; a source that is not ours closes the socket, too."""
    assert stage.play(watch, address) == expected
