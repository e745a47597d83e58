"""A direction of a connection as an engine sees it: bytes are taken, given, and somebody is told in time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw

from harness.twin import Msg
from harness.twin.costs import Costs
from harness.twin.flow import Flow, TcpFlow, UnixFlow
from harness.twin.kernel import Kernel
from harness.twin.profile import load

MS = 1_000_000
PROFILE = load("default")


class Engine:
    """An end that notes what it is told."""

    def __init__(self) -> None:
        self.readable = 0
        self.writable = 0

    def data_coming(self) -> None:
        self.readable += 1

    def writable_again(self) -> None:
        self.writable += 1


def connected(transport: str, sndbuf: int = -1, rcvbuf: int = -1) -> tuple[Kernel, Flow, Engine, Engine]:
    kernel = Kernel()
    costs = Costs(None, 1)
    flow, back = costs.flow(kernel, transport, sndbuf, rcvbuf), costs.flow(kernel, transport, -1, -1)
    flow.back, back.back = back, flow
    sender, receiver = Engine(), Engine()
    flow.sender, flow.receiver = sender, receiver  # type: ignore[assignment]
    back.sender, back.receiver = receiver, sender  # type: ignore[assignment]
    return kernel, flow, sender, receiver


def unix(kernel: Kernel | None = None) -> UnixFlow:
    return UnixFlow(kernel or Kernel(), PROFILE.unix_sndbuf_bytes, PROFILE.unix_charge_bytes)


# -- AF_UNIX --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "writes"), [(32, 278), (100, 278), (300, 167), (1000, 93), (2000, 49), (4000, 44), (8192, 24)]
)
def test_so_many_writes_fill_an_af_unix_socket(size: int, writes: int) -> None:
    """As Linux 6.18 took them with its default of 212992: it charges slabs, and refuses when it is over the limit."""
    flow = unix()
    accepted = 0
    while flow.write(size) == size:
        accepted += 1
    charge = PROFILE.unix_charge_bytes(size)
    assert (accepted, PROFILE.unix_sndbuf_bytes) == (writes, 212_992)
    assert accepted == -(-PROFILE.unix_sndbuf_bytes // charge)


def test_the_charge_of_a_size_between_two_measured_ones_is_the_larger_ones() -> None:
    charges = dict(PROFILE.unix_charges)
    assert [PROFILE.unix_charge_bytes(size) for size in (1, 192, 193, 704, 705)] == [768, 768, 1280, 1280, 2304]
    assert (charges[192], charges[704], charges[1728]) == (768, 1280, 2304)
    last, charge = PROFILE.unix_charges[-1]
    assert PROFILE.unix_charge_bytes(last + 100) == charge + 100


@pytest.mark.parametrize("size", [32, 1000, 8192])
def test_an_af_unix_socket_is_writable_only_when_three_quarters_are_free(size: int) -> None:
    """A write is taken before that (F208)."""
    flow = unix()
    charge = PROFILE.unix_charge_bytes(size)
    writes = 0
    while flow.writable():
        assert flow.write(size) == size
        writes += 1
    assert writes == PROFILE.unix_sndbuf_bytes // 4 // charge + 1
    assert flow.write(size) == size
    while flow.write(size):
        writes += 1
    held = writes + 1
    while not flow.writable():
        assert flow.read(size) == size
        held -= 1
    assert held == PROFILE.unix_sndbuf_bytes // 4 // charge


def test_a_write_is_charged_until_its_last_byte_is_read() -> None:
    flow = unix()
    while flow.write(8192):
        pass
    assert flow.read(8191) == 8191
    assert flow.write(10) == 0
    assert flow.read(1) == 1
    assert flow.write(10) == 10


def test_a_long_write_is_taken_in_pieces_and_may_be_taken_in_part() -> None:
    flow = unix()
    assert flow.write(1_000_000) == 7 * 32768
    assert flow.write(1) == 0
    assert flow.read(1_000_000) == 7 * 32768


# -- both -----------------------------------------------------------------------------------------

STEPS = draw.lists(
    draw.tuples(
        draw.sampled_from(["write", "read", "run"]), draw.one_of(draw.integers(1, 300), draw.integers(1, 9000))
    ),
    max_size=120,
)


@given(
    transport=draw.sampled_from(["tcp", "ipc"]),
    sndbuf=draw.sampled_from([-1, 2304, 8192, 65536]),
    rcvbuf=draw.sampled_from([-1, 2304, 8192, 65536]),
    steps=STEPS,
)
@settings(derandomize=True, max_examples=200, deadline=None)
def test_no_byte_is_lost_and_whoever_waits_is_told(
    transport: str, sndbuf: int, rcvbuf: int, steps: list[tuple[str, int]]
) -> None:
    """A refused sender that asked to be told is told when the reader reads on; a reader is told of every byte."""
    kernel, flow, sender, receiver = connected(transport, sndbuf, rcvbuf)
    accepted = read = 0
    for step, amount in steps:
        if step == "write":
            accepted += flow.write(amount)
            if not flow.writable():
                flow.wants_out = True
        elif step == "read":
            read += flow.read(amount)
        else:
            kernel.run_until(kernel.now_ns + amount * 100_000)
        assert 0 <= read <= accepted
        assert read == flow.read_offset
        if flow.readable_ns() >= 0:
            assert receiver.readable > 0
            assert flow.readable_ns() <= kernel.now_ns
    told = sender.writable
    waiting = flow.wants_out
    for _ in range(10_000):
        amount = flow.read(8192)
        read += amount
        if not amount:
            if not kernel.has_more():
                break
            kernel.run_until(kernel.now_ns + 50 * MS)
    assert read == accepted
    assert flow.writable()
    assert not flow.wants_out
    assert sender.writable == told + waiting


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_a_sender_that_waits_is_told_once_when_the_reader_has_made_room(transport: str) -> None:
    _, flow, sender, _ = connected(transport, 4608, 4608)
    while flow.write(1000):
        pass
    assert not flow.writable()
    flow.wants_out = True
    while not flow.writable():
        assert sender.writable == 0
        assert flow.read(500) > 0
    assert (sender.writable, flow.wants_out) == (1, False)
    while flow.read(500):
        pass
    assert sender.writable == 1


def test_a_tcp_sender_that_waits_is_told_when_the_acknowledgement_comes() -> None:
    """Its charge ends then, though nobody reads."""
    kernel, flow, sender, _ = connected("tcp", 4608, -1)
    while flow.write(1000):
        pass
    assert not flow.writable()
    flow.wants_out = True
    kernel.run_until(kernel.now_ns + 1000 * MS)
    assert sender.writable == 1
    assert flow.write(1000) == 1000


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_the_end_comes_behind_all_bytes(transport: str) -> None:
    _, flow, _, receiver = connected(transport)
    flow.write(100)
    assert not flow.at_end()
    flow.close()
    assert receiver.readable == 2
    assert not flow.at_end()
    assert flow.read(60) == 60
    assert not flow.at_end()
    assert flow.read(60) == 40
    assert flow.at_end()
    assert flow.readable_ns() == 0


def test_the_end_waits_for_what_the_senders_kernel_still_holds() -> None:
    kernel, flow, _, _ = connected("tcp", 65536, 2304)
    written = 0
    while taken := flow.write(4000):
        written += taken
    flow.close()
    read = 0
    while not flow.at_end():
        read += flow.read(100_000)
        assert kernel.now_ns < 60_000 * MS
        kernel.run_until(kernel.now_ns + 10 * MS)
    assert read == written


@pytest.mark.parametrize(("transport", "first"), [("tcp", 1_000_000), ("ipc", -1)])
def test_a_closed_peer_reads_nothing_and_answers_with_a_reset(transport: str, first: int) -> None:
    """F142: tcp takes one write more than AF_UNIX, which knows at once; then writing is an error."""
    _, flow, sender, receiver = connected(transport)
    flow.broken = True
    assert flow.writable()
    assert flow.write(1_000_000) == first
    assert flow.write(1_000_000) == -1
    assert receiver.readable == 0
    assert flow.back.hung_up == (transport == "tcp")
    assert sender.readable == (transport == "tcp")


@pytest.mark.parametrize("unread", [False, True])
def test_a_close_with_unread_data_is_a_reset(unread: bool) -> None:
    """F170: what the peer's kernel has stays readable there, what is still in the sender's is lost."""
    kernel, flow, _, receiver = connected("tcp", 65536, 2304)
    written = 0
    while taken := flow.write(4000):
        written += taken
    if unread:
        flow.back.write(10)
    flow.close()
    assert flow.hung_up == unread
    assert receiver.readable > 0
    read = 0
    while not flow.at_end():
        read += flow.read(100_000)
        kernel.run_until(kernel.now_ns + 10 * MS)
    assert 0 < read < written if unread else read == written


def test_frames_are_under_way_until_the_decoder_takes_them() -> None:
    _, flow, _, _ = connected("tcp")
    first, second = Msg(b"a" * 10), Msg(b"b" * 300)
    flow.load(first, first.wire_bytes())
    flow.load(second, second.wire_bytes())
    assert flow.under_way() == [first, second]
    assert [end for end, _ in flow.frames] == [12, 12 + 309]
    flow.frames.popleft()
    assert flow.under_way() == [second]


@pytest.mark.parametrize(
    ("asked", "at_least"), [(100, 4608), (2304, 4608), (8192, 16384)], ids=["tiny", "smallest", "doubled"]
)
def test_linux_doubles_what_is_asked_for_and_has_a_least_size(asked: int, at_least: int) -> None:
    """F206."""
    _, flow, _, _ = connected("tcp", asked, -1)
    assert isinstance(flow, TcpFlow)
    assert flow._path._sndbuf == at_least


def test_ipc_ignores_the_buffer_options() -> None:
    """F208."""
    taken = []
    for size in (-1, 100, 1_000_000):
        _, flow, _, _ = connected("ipc", size, size)
        count = 0
        while flow.write(100):
            count += 1
        taken.append(count)
    assert taken == [278] * 3
