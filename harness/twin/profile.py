"""The delays, costs and kernel capacities that the twin draws from, as measured on one machine.

A profile is a TOML file: ``benchmarks/measure_profile.py`` writes it, :func:`load` reads it. All
times are ns. What varies is a list of equally spaced quantiles, drawn from by inverse CDF
(:class:`Draws`); what is steady is a :class:`Cost` or an int. Numbers F.. are libzmq facts.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

PROFILES = Path(__file__).parent / "profiles"
"""Where the shipped profiles live; :func:`load` finds ``"default"`` as ``default.toml`` in it."""

_BLOCK = 4096


class ProfileError(ValueError):
    """A profile that cannot be read; the text says which key and what would have been right."""


class Draws:
    """Values from a distribution given by its quantiles.

    Args:
        quantiles: ns, ascending, ``quantiles[i]`` being that of probability ``(i + 0.5) / n``.
            Nothing is drawn outside the first and the last.
        rng: one stream a purpose, so that draws of one purpose do not depend on those of another.
    """

    __slots__ = ("_next", "_quantiles", "_rng")

    def __init__(self, quantiles: Sequence[int], rng: np.random.Generator) -> None:
        self._quantiles = np.asarray(quantiles, dtype=np.float64)
        self._rng = rng
        self._next = self._stream().__next__

    def next(self) -> int:
        """One value, ns."""
        return self._next()

    def _stream(self) -> Iterator[int]:
        """Values without end; drawn in blocks, as a call of numpy costs more than a hundred values."""
        quantiles = self._quantiles
        positions = np.arange(len(quantiles))
        while True:
            at = self._rng.random(_BLOCK) * (len(quantiles) - 1)
            yield from np.interp(at, positions, quantiles).astype(np.int64).tolist()


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call or a step takes of a core: ``base_ns + per_byte_ns * size_bytes``."""

    base_ns: int
    per_byte_ns: float = 0.0

    def at(self, size_bytes: int) -> int:
        """The cost for that many bytes, ns."""
        return self.base_ns + int(self.per_byte_ns * size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One machine, as the twin needs it.

    Waits (quantiles, ns) add no use of a core; costs keep the thread busy.

    Attributes:
        name, source: of the profile; on what, when and by what it was measured.
        app_wake_ns: from the command in an application's mailbox to its blocked thread running,
            inside ``recv`` (F49). The blocked call's own return is :attr:`recv`.
        io_wake_ns: from a command in an I/O thread's mailbox to the engine starting to encode,
            the I/O thread having been asleep (F61, F199).
        engine_wake_ns: from bytes readable on an idle connection to its engine starting to read,
            the I/O thread having been asleep (F199).
        run_level_permille: how the waits of one run as a whole lie to their median, in thousandths;
            quantiles over blocks of measurement. The twin draws one value a run: runs differ by more
            than their draws do (the state of the machine lasts longer than a message).
        sleep_late_ns: how late a sleep of 1 ms ends, timer slack 1 ns.
        spin_late_ns: the same for a sleep until 150 us before the time and then a spin.
        send, recv: a call of pyzmq that moves one message and wakes nobody (F4).
        send_wake_ns, read_credit_ns: what ``send`` takes in addition when it has to wake the reader's
            thread by an eventfd (F4), and ``recv`` when it sends a credit back to one (F31).
        recv_empty_ns: ``recv(DONTWAIT)`` that finds nothing. send_full_ns: ``send`` that is refused.
        poll_ns: ``poll(0)`` of one socket; also what reading EVENTS costs (F55).
        connect_ns: the call ``connect`` (tcp).
        encode, decode: the engine's work for one message (F15, F17), system calls apart.
        tcp_write, tcp_read, ipc_write, ipc_read: one system call of the engine. A write over tcp
            loopback includes the receiving kernel's work and the wake of the peer's thread.
        relay_read, relay_write: what the process of a live link's relay takes to read a piece and to pass it on, its
            event loop included.
        relay_accept_ns: what it takes to accept a connection and begin another one.
        command_window_ns: W, 3,000,000 ticks of the processor's counter (F43, F44).
        handshake_connecter_ns, handshake_binder_ns: from ``connect`` to HANDSHAKE_SUCCEEDED on either
            side, tcp loopback, nothing else to do (F178); quantiles.
        join_sub_connects_ns, join_pub_connects_ns: from ``connect`` to the first message that a SUB
            receives of a PUB that sends every 100 us, either side connecting (F178, F54); quantiles.
            These two and the handshakes check the twin; it does not draw from them.
        one_way_inproc_ns, one_way_tcp_ns, one_way_ipc_ns: from before ``send`` to after ``recv``, 100 B
            every 1 ms, two processes (threads for inproc); quantiles. To check the twin against.
        tcp_sndbuf_bytes, tcp_rcvbuf_bytes: in force when the option is left alone; the first is
            what autotuning grows it to, the second where it starts (F206).
        tcp_skb_overhead_bytes: charged to sender and receiver for each segment, besides its bytes (F21).
        tcp_max_frags: so many segments the receiving kernel joins to one, which then is charged one
            overhead; its room comes back when the last of its bytes is read.
        tcp_delayed_ack_ns: the sender's charge for what the peer's kernel has taken ends with the
            acknowledgement, which comes that late when the peer does not read.
        tcp_probe_ns: a sender before a window too small for a whole segment sends a part after that.
        unix_sndbuf_bytes: charge that an AF_UNIX sender may have; ipc ignores the options (F208).
        unix_charges: ``(size_bytes, charged_bytes)`` of one write, ascending in size.
    """

    name: str
    source: str
    app_wake_ns: tuple[int, ...]
    io_wake_ns: tuple[int, ...]
    engine_wake_ns: tuple[int, ...]
    run_level_permille: tuple[int, ...]
    sleep_late_ns: tuple[int, ...]
    spin_late_ns: tuple[int, ...]
    send: Cost
    recv: Cost
    send_wake_ns: int
    read_credit_ns: int
    recv_empty_ns: int
    send_full_ns: int
    poll_ns: int
    connect_ns: int
    encode: Cost
    decode: Cost
    tcp_write: Cost
    tcp_read: Cost
    ipc_write: Cost
    ipc_read: Cost
    relay_read: Cost
    relay_write: Cost
    relay_accept_ns: int
    command_window_ns: int
    handshake_connecter_ns: tuple[int, ...]
    handshake_binder_ns: tuple[int, ...]
    join_sub_connects_ns: tuple[int, ...]
    join_pub_connects_ns: tuple[int, ...]
    one_way_inproc_ns: tuple[int, ...]
    one_way_tcp_ns: tuple[int, ...]
    one_way_ipc_ns: tuple[int, ...]
    tcp_sndbuf_bytes: int
    tcp_rcvbuf_bytes: int
    tcp_skb_overhead_bytes: int
    tcp_max_frags: int
    tcp_delayed_ack_ns: int
    tcp_probe_ns: int
    unix_sndbuf_bytes: int
    unix_charges: tuple[tuple[int, int], ...]

    def unix_charge_bytes(self, size_bytes: int) -> int:
        """What one AF_UNIX write of that size is charged: the kernel rounds up to its slab sizes.

        Between two measured sizes the larger one's charge holds for the whole slab; above the
        last it grows with the bytes.
        """
        for size, charge in self.unix_charges:
            if size_bytes <= size:
                return charge
        size, charge = self.unix_charges[-1]
        return charge + size_bytes - size


def load(name_or_path: str | Path = "default") -> Profile:
    """The profile of that name, or of that file when it ends in ``.toml``. Raises ProfileError."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = PROFILES / f"{name_or_path}.toml"
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(each.stem for each in PROFILES.glob("*.toml")))
        reason = error.strerror or "cannot be read"
        raise ProfileError(
            f"profile {name_or_path}: {reason}; shipped profiles: {known}; or a path to a .toml"
        ) from error
    except ValueError as error:  # bad TOML or bad UTF-8
        raise ProfileError(f"profile {path}: not a TOML file: {error}") from error
    return from_plain({"name": path.stem, **plain}, str(path))


def from_plain(plain: Mapping[str, Any], where: str = "profile") -> Profile:
    """A profile from plain data, checked. Raises ProfileError that names every bad key."""
    fields = {field.name: str(field.type) for field in dataclasses.fields(Profile)}
    problems = [f"{key}: unknown" for key in plain if key not in fields]
    values: dict[str, Any] = {}
    for key, kind in fields.items():
        if key not in plain:
            problems.append(f"{key}: missing")
            continue
        try:
            values[key] = _READERS[kind](plain[key])
        except ValueError as error:
            problems.append(f"{key}: {error}")
    if problems:
        raise ProfileError(f"{where}: " + "; ".join(problems))
    return Profile(**values)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("must be a text")


def _int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("must be a whole number, 0 or more")
    return value


def _quantiles(value: object) -> tuple[int, ...]:
    items = tuple(value) if isinstance(value, list) else ()
    if len(items) < 2 or not all(_is_number(item) for item in items) or list(items) != sorted(items):
        raise ValueError("must be a list of two or more numbers, ascending, 0 or more")
    return tuple(int(item) for item in items)


def _cost(value: object) -> Cost:
    plain = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if set(plain) - {"base_ns", "per_byte_ns"} or "base_ns" not in plain or not all(map(_is_number, plain.values())):
        raise ValueError("must be like { base_ns = 900, per_byte_ns = 0.1 }")
    return Cost(int(plain["base_ns"]), float(plain.get("per_byte_ns", 0.0)))


def _pairs(value: object) -> tuple[tuple[int, int], ...]:
    items = value if isinstance(value, list) else []
    pairs = [tuple(item) for item in items if isinstance(item, list) and len(item) == 2 and all(map(_is_number, item))]
    if not pairs or len(pairs) != len(items) or pairs != sorted(pairs):
        raise ValueError("must be a list of [size_bytes, charged_bytes], ascending")
    return tuple((int(size), int(charge)) for size, charge in pairs)


_READERS: dict[str, Any] = {
    "str": _text,
    "int": _int,
    "Cost": _cost,
    "tuple[int, ...]": _quantiles,
    "tuple[tuple[int, int], ...]": _pairs,
}
"""By the annotation of the field: what reads it, and raises ValueError that says what would have been right."""
