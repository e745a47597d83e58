"""libzmq's chance: the C library's unseeded rand(), the same in every process (F128)."""

from __future__ import annotations

import ctypes
import itertools
import platform

import pytest

from harness.twin.random_sequence import RandSequence

from .witness import MS, watched

# F128: from a process of libzmq on glibc with RECONNECT_IVL 100.
DELAYS_MS = [183, 125, 141, 186, 197, 110, 138, 163, 140, 172, 111]


def test_the_first_number_is_the_one_that_routers_start_to_count_from() -> None:
    """F94."""
    assert RandSequence().generate_random() == 0x6B8B4567


def test_every_process_draws_the_same() -> None:
    first, second = RandSequence(), RandSequence()
    assert [first.rand() for _ in range(100)] == [second.rand() for _ in range(100)]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has another generator")
def test_it_is_the_c_librarys_generator() -> None:
    """Over many turns of its 31 words; srand(1) is the state of a process that never seeded."""
    library = ctypes.CDLL(None)
    library.srand(1)
    ours = RandSequence()
    assert [ours.rand() for _ in range(2000)] == [library.rand() for _ in range(2000)]


def test_reconnect_delays_come_from_it() -> None:
    sequence = RandSequence()
    assert [100 + sequence.generate_random() % 100 for _ in DELAYS_MS] == DELAYS_MS


@pytest.mark.parametrize("kind", ["SUB", "PUSH", "DEALER"])
def test_who_connects_to_nobody_tries_again_after_these_delays(kind: str) -> None:
    """F127, F128: what is announced, and when the attempts are made."""
    twin, witness = watched(seed=3)

    def program() -> None:
        socket = twin.zmq.Context().socket(getattr(twin.zmq, kind))
        socket.connect("tcp://127.0.0.1:5555")
        twin.sleep_ns(3000 * MS)

    twin.spawn(program)
    twin.run(until_ns=1800 * MS)
    announced = [value for _, name, value in witness.events if name == f"{kind} connect_retried"]
    assert announced[: len(DELAYS_MS)] == DELAYS_MS
    attempts = witness.times(f"{kind} connect_delayed")
    for (before, after), delay in zip(itertools.pairwise(attempts), DELAYS_MS, strict=False):
        assert 0 <= after - before - delay * MS < MS, "a round trip and two wake-ups late at most"


def test_making_a_router_or_a_req_draws_a_number_too() -> None:
    """F128: so what a process has made before shifts the delays."""
    twin, witness = watched()

    def program() -> None:
        context = twin.zmq.Context()
        kept = [context.socket(kind) for kind in (twin.zmq.ROUTER, twin.zmq.REQ, twin.zmq.PULL)]
        kept[2].connect("tcp://127.0.0.1:5555")
        twin.sleep_ns(10_000 * MS)

    twin.spawn(program)
    twin.run(until_ns=600 * MS)
    announced = [value for _, name, value in witness.events if name == "PULL connect_retried"]
    assert announced[:3] == DELAYS_MS[2:5]


def test_two_processes_try_in_step() -> None:
    """F128: identical clients come back together after their server has crashed."""
    twin, witness = watched()

    def program(kind: int) -> None:
        socket = twin.zmq.Context().socket(kind)
        socket.connect("tcp://127.0.0.1:5555")
        twin.sleep_ns(10_000 * MS)

    twin.spawn(program, twin.zmq.PUSH)
    twin.spawn(program, twin.zmq.PULL)
    twin.run(until_ns=1000 * MS)
    values = [
        [value for _, name, value in witness.events if name == f"{kind} connect_retried"] for kind in ("PUSH", "PULL")
    ]
    assert values[0] == values[1] == DELAYS_MS[: len(values[0])]
