"""What queues take of a process's memory."""

from __future__ import annotations

import pytest

from harness.twin import Process, Twin
from harness.twin.heap import content_bytes

MS = 1_000_000
CHUNK = 256 * 64 + 32


@pytest.mark.parametrize(
    ("size", "taken"),
    [(0, 0), (33, 0), (34, 96), (1000, 1056), (100_000, 100_048), (131_072, 135_168), (1_000_000, 1_003_520)],
)
def test_what_a_message_takes_beside_its_slot(size: int, taken: int) -> None:
    assert content_bytes(size) == taken


def publishing(readers: int, count: int, size: int) -> tuple[Twin, Process]:
    """A PUB without a mark over inproc to itself; its subscribers read after 200 ms."""
    twin = Twin()

    def program() -> None:
        zmq = twin.zmq
        context = zmq.Context()
        pub = context.socket(zmq.PUB)
        pub.sndhwm = 0
        pub.bind("inproc://feed")
        subs = [context.socket(zmq.SUB) for _ in range(readers)]
        for sub in subs:
            sub.rcvhwm = 0
            sub.subscribe(b"")
            sub.connect("inproc://feed")
        twin.sleep_ns(100 * MS)
        for _ in range(count):
            pub.send(bytes(size))
        twin.sleep_ns(200 * MS)
        for sub in subs:
            for _ in range(count):
                sub.recv()
        twin.sleep_ns(10_000 * MS)

    return twin, twin.spawn(program)


@pytest.mark.parametrize("readers", [1, 3])
def test_slots_are_taken_in_each_queue_and_contents_once_for_all(readers: int) -> None:
    twin, process = publishing(readers, 1000, 2000)
    heap = twin.heap(process)
    twin.run(until_ns=50 * MS)
    before = heap.taken_bytes()
    twin.run(until_ns=250 * MS)
    full = heap.taken_bytes()
    assert full - before == 1000 * content_bytes(2000) + readers * 3 * CHUNK
    assert twin.heap(process).taken_bytes() == full, "who asks for the first time now is told the same"
    twin.run(until_ns=1000 * MS)
    assert heap.taken_bytes() == before


def test_a_process_that_is_gone_takes_nothing() -> None:
    twin, process = publishing(1, 1000, 2000)
    heap = twin.heap(process)
    twin.run(until_ns=250 * MS)
    assert heap.taken_bytes() > 2_000_000
    twin.kill(process)
    assert heap.taken_bytes() == 0
