"""Ethernet frames, as far as an emulator has to understand them."""

from __future__ import annotations

import struct

_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"
_TCP, _ICMPV6, _IGMP, _HOP_BY_HOP = 6, 58, 2, 0
_HEADER = 14
_IPV6_HEADER = 40
_SYN, _FIN, _RST, _ACK = 2, 1, 4, 16
_HOPS = 64


def is_traffic(frame: bytes, at: int = 0) -> bool:
    """Whether a program sent it, or a kernel for one; not arp, IGMP and ICMPv6, which kernels send when they like.

    Args:
        frame: what a packet socket gave.
        at: where in it the Ethernet frame begins.
    """
    kind = frame[at + 12 : at + 14]
    if kind == _IPV4:
        return frame[at + 23] != _IGMP
    # MLD, too, is ICMPv6, behind a hop-by-hop header that nothing else here uses.
    return kind == _IPV6 and frame[at + 20] not in (_ICMPV6, _HOP_BY_HOP)


def refusal(frame: bytes) -> bytes | None:
    """What a host answers where nobody listens, if the frame asks for a tcp connection; else None.

    That is RST and ACK, of the right numbers and checksums, back to the sender (RFC 9293, section 3.10.7.1).
    """
    at = _tcp_at(frame)
    if not at or len(frame) < at + 20:
        return None
    source, target, number, _, offset, flags = struct.unpack_from("!HHIIBB", frame, at)
    if flags & (_SYN | _ACK | _RST) != _SYN:
        return None
    acknowledged = number + 1 + bool(flags & _FIN) + _end(frame) - at - (offset >> 4) * 4
    answer = struct.pack("!HHIIBBHHH", target, source, 0, acknowledged & 0xFFFFFFFF, 5 << 4, _RST | _ACK, 0, 0, 0)
    ethernet = frame[6:12] + frame[:6] + frame[12:14]
    if frame[12:14] == _IPV4:
        ends = frame[30:34] + frame[26:30]
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(answer), 0, 0x4000, _HOPS, _TCP, 0)
        head = head[:10] + struct.pack("!H", _checksum(head + ends)) + ends
    else:
        ends = frame[38:54] + frame[22:38]
        head = struct.pack("!IHBB", 6 << 28, len(answer), _TCP, _HOPS) + ends
    pseudo = ends + struct.pack("!II", len(answer), _TCP)
    return ethernet + head + answer[:16] + struct.pack("!H", _checksum(pseudo + answer)) + answer[18:]


def _tcp_at(frame: bytes) -> int:
    """Where the tcp header begins; 0 when there is none here (a fragment that is not the first has none)."""
    kind = frame[12:14]
    if kind == _IPV4 and len(frame) >= _HEADER + 20 and frame[23] == _TCP:
        return 0 if (frame[20] & 0x1F) | frame[21] else _HEADER + (frame[14] & 15) * 4
    if kind == _IPV6 and len(frame) >= _HEADER + _IPV6_HEADER and frame[20] == _TCP:
        return _HEADER + _IPV6_HEADER
    return 0


def _end(frame: bytes) -> int:
    """Where the packet ends; a short frame is filled up behind it."""
    before, at = (0, 16) if frame[12:14] == _IPV4 else (_IPV6_HEADER, 18)
    size: int = struct.unpack_from("!H", frame, at)[0]
    return _HEADER + before + size


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
