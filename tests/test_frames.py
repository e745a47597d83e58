"""What an emulator understands of Ethernet frames, against hand-made ones and the checksums of RFC 1071."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw

from harness.live.emulator.frames import is_traffic, refusal

NEAR, FAR = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"
SYN, RST_ACK, ACK, FIN = 0x02, 0x14, 0x10, 0x01


def ones_sum(data: bytes) -> int:
    """The sum that is 0xFFFF where the checksum is right."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def tcp(flags: int, number: int = 1000, options: bytes = b"", data: bytes = b"") -> bytes:
    return struct.pack("!HHIIBBHHH", 40_000, 5550, number, 0, (20 + len(options)) << 2, flags, 1, 0, 0) + options + data


def ipv4(protocol: int, payload: bytes, options: bytes = b"", fragment: int = 0) -> bytes:
    words, size = 5 + len(options) // 4, 20 + len(options) + len(payload)
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, size, 7, fragment, 64, protocol, 0)
    return (FAR + NEAR + b"\x08\0" + head + bytes((10, 77, 0, 1, 10, 77, 0, 2)) + options + payload).ljust(60, b"\0")


def ipv6(protocol: int, payload: bytes) -> bytes:
    ends = bytes(15) + b"\1" + bytes(15) + b"\2"
    return FAR + NEAR + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + ends + payload


@pytest.mark.parametrize(
    ("frame", "counts"),
    [
        (ipv4(6, tcp(SYN)), True),
        (ipv4(17, bytes(20)), True),
        (ipv4(1, bytes(20)), True),
        (ipv4(113, bytes(20)), True),
        (ipv4(2, bytes(8)), False),
        (ipv6(6, tcp(SYN)), True),
        (ipv6(58, bytes(8)), False),
        (ipv6(0, bytes(8)), False),
        (FAR + NEAR + b"\x08\x06" + bytes(28), False),
        (FAR + NEAR + b"\x88\xcc" + bytes(28), False),
        (b"", False),
    ],
)
def test_traffic_is_what_programs_cause(frame: bytes, counts: bool) -> None:
    assert is_traffic(frame) == counts
    assert is_traffic(bytes(10) + frame, 10) == counts


@given(
    number=draw.integers(0, 2**32 - 1),
    options=draw.sampled_from([b"", bytes(4), bytes(20)]),
    data=draw.binary(max_size=9),
)
@settings(derandomize=True, max_examples=60, deadline=None)
def test_a_refusal_is_valid_and_for_exactly_that_request(number: int, options: bytes, data: bytes) -> None:
    for ip_options in (b"", bytes(8)):
        answer = refusal(ipv4(6, tcp(SYN, number, options, data), ip_options))
        assert answer is not None
        assert answer[:14] == NEAR + FAR + b"\x08\0"
        head, segment = answer[14:34], answer[34:]
        assert head[0] == 0x45
        assert int.from_bytes(head[2:4], "big") == 40 == len(head) + len(segment)
        assert head[12:] == bytes((10, 77, 0, 2, 10, 77, 0, 1))
        assert ones_sum(head) == 0xFFFF
        assert ones_sum(head[12:] + struct.pack("!HH", 6, len(segment)) + segment) == 0xFFFF
        source, target, own, acknowledged, offset, flags = struct.unpack_from("!HHIIBB", segment)
        assert (source, target, own, offset, flags) == (5550, 40_000, 0, 0x50, RST_ACK)
        assert acknowledged == (number + 1 + len(data)) % 2**32


def test_a_refusal_of_ipv6() -> None:
    answer = refusal(ipv6(6, tcp(SYN)))
    assert answer is not None
    ends, segment = answer[22:54], answer[54:]
    assert answer[14:22] == struct.pack("!IHBB", 6 << 28, 20, 6, 64)
    assert ends == bytes(15) + b"\2" + bytes(15) + b"\1"
    assert ones_sum(ends + struct.pack("!II", len(segment), 6) + segment) == 0xFFFF


@pytest.mark.parametrize(
    "frame",
    [
        ipv4(6, tcp(SYN | ACK)),
        ipv4(6, tcp(ACK)),
        ipv4(6, tcp(RST_ACK)),
        ipv4(6, tcp(FIN | ACK)),
        ipv4(17, tcp(SYN)),
        ipv4(6, tcp(SYN), fragment=100),
        ipv4(6, tcp(SYN))[:40],
        ipv6(17, tcp(SYN)),
        FAR + NEAR + b"\x08\x06" + bytes(28),
        b"",
    ],
)
def test_only_a_request_for_a_connection_is_refused(frame: bytes) -> None:
    assert refusal(frame) is None
