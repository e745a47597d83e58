"""Reads a topology file of ``python -m harness.twin`` or ``harness.live``: all that is wrong with it, said at once."""

from __future__ import annotations

import ipaddress
import signal
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.problems import MISSING, ConfigError, Problems, did_you_mean
from harness.scripts.spec import LASTING, MAIN_HOST, SUDDEN, FaultSpec, HostSpec, LinkSpec, Net, Program
from harness.shaper import Shape
from harness.units import parse_bandwidth_bytes_per_s, parse_duration_ns, parse_size_bytes

_MOST: Final = 1000
_SIGNALS: Final = {"interrupt": signal.SIGINT, "terminate": signal.SIGTERM, "kill": signal.SIGKILL}


@dataclass(frozen=True, slots=True)
class NetFile:
    """What a topology file says; None where it is silent."""

    net: Net
    programs: tuple[Program, ...]
    until_ns: int | None
    seed: int | None


class _Table:
    """One table of the file: each key is read once, and those that nobody has read are wrong."""

    def __init__(self, path: tuple[str, ...], value: Any, problems: Problems) -> None:
        self._path = path
        self._problems = problems
        self._read: list[str] = []
        if not isinstance(value, dict):
            problems.add(path, value, "must be a table")
            value = {}
        self._values: dict[str, Any] = value

    def read(self, key: str, parse: Callable[[Any], Any], default: Any = None, *, needed: bool = False) -> Any:
        """The value of a key; ``default`` when it is absent or wrong."""
        self._read.append(key)
        if key not in self._values:
            if needed:
                self._problems.add((*self._path, key), MISSING, "is needed")
            return default
        try:
            return parse(self._values[key])
        except ValueError as error:
            self._problems.add((*self._path, key), self._values[key], str(error))
            return default

    def tables(self, key: str) -> list[tuple[str, _Table]]:
        """The tables ``[key.NAME]``."""
        self._read.append(key)
        whole = _Table((*self._path, key), self._values.get(key, {}), self._problems)
        return [(name, _Table((*whole._path, name), value, self._problems)) for name, value in whole._values.items()]

    def finish(self) -> None:
        """Whatever was not read is no key of this table."""
        for key in self._values:
            if key not in self._read:
                message = f"there is no such key; {did_you_mean(key, self._read)}"
                self._problems.add((*self._path, key), self._values[key], message)


def read_net_file(path: Path) -> NetFile:
    """Read a file. Raises ConfigError."""
    problems = Problems()
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.add((), MISSING, f"cannot be read: {error}")
        raise ConfigError(path, problems) from None
    top = _Table((), document, problems)
    until_ns = top.read("until", _duration)
    seed = top.read("seed", _integer)
    hosts = tuple(_host(name, table) for name, table in top.tables("host"))
    names = [host.name for host in hosts] or [MAIN_HOST]
    links = tuple(_link(name, table, names) for name, table in top.tables("link"))
    shapes = {link.name: link for link in links if link is not None}
    _distinct(list(shapes.values()), problems)
    faults = tuple(_fault(name, table, shapes) for name, table in top.tables("fault"))
    programs = tuple(_programs(table, name, names, path.parent) for name, table in top.tables("program"))
    top.finish()
    if not len(problems) and not programs:
        problems.add(("program",), MISSING, "there must be one [program.NAME] at least")
    if len(problems):
        raise ConfigError(path, problems)
    net = Net(hosts, tuple(shapes.values()), tuple(fault for fault in faults if fault is not None))
    return NetFile(net, tuple(program for group in programs for program in group), until_ns, seed)


def _host(name: str, table: _Table) -> HostSpec:
    address = table.read("address", _address)
    table.finish()
    return HostSpec(name, address)


def _link(name: str, table: _Table, hosts: list[str]) -> LinkSpec | None:
    between = table.read("between", lambda value: _two(value, hosts), needed=True)
    shape = Shape(
        delay_ns=table.read("delay", parse_duration_ns, 0),
        jitter_ns=table.read("jitter", parse_duration_ns, 0),
        rate_bytes_per_s=table.read("rate", parse_bandwidth_bytes_per_s, 0),
        loss=table.read("loss", _share, 0.0),
        queue_bytes=table.read("queue", parse_size_bytes, Shape().queue_bytes),
        reorder=table.read("reorder", _share, 0.0),
        duplicate=table.read("duplicate", _share, 0.0),
    )
    table.finish()
    return None if between is None else LinkSpec(name, between, shape)


def _distinct(links: list[LinkSpec], problems: Problems) -> None:
    """Two hosts have one link."""
    for number, link in enumerate(links):
        for other in links[:number]:
            if sorted(other.between) == sorted(link.between):
                path = ("link", link.name, "between")
                problems.add(path, list(link.between), f"link {other.name} joins these two already")


def _fault(name: str, table: _Table, links: dict[str, LinkSpec]) -> FaultSpec | None:
    link = table.read("link", lambda value: _one_of(value, list(links)), needed=True)
    kind = table.read("kind", lambda value: _one_of(value, [*LASTING, *SUDDEN]), needed=True)
    at_ns = table.read("at", parse_duration_ns, needed=True)
    lasts_ns = table.read("lasts", _not_for(kind, SUDDEN, _duration))
    ends = list(links[link].between) if link in links else []
    towards = table.read(
        "towards", _not_for(kind, ("down", "reset"), lambda value: _one_of(value, ends)), needed=kind == "half_close"
    )
    table.finish()
    if link is None or kind is None or at_ns is None:
        return None
    return FaultSpec(name, link, kind, at_ns, lasts_ns, towards)


def _programs(table: _Table, name: str, hosts: list[str], folder: Path) -> list[Program]:
    script = table.read("script", lambda value: _script(value, folder), needed=True)
    arguments = table.read("args", _texts, ())
    host = table.read("host", lambda value: _one_of(value, hosts), hosts[0])
    start_ns = table.read("start", parse_duration_ns, 0)
    moments = [(number, table.read(key, parse_duration_ns)) for key, number in _SIGNALS.items()]
    count = table.read("count", _count, 1)
    table.finish()
    if script is None:
        return []
    return [
        Program(
            script,
            tuple(word.replace("{number}", str(number)) for word in arguments),
            name if count == 1 else f"{name}-{number}",
            host,
            start_ns,
            tuple((number, at_ns) for number, at_ns in moments if at_ns is not None),
        )
        for number in range(1, count + 1)
    ]


def _duration(value: Any) -> int:
    duration_ns = parse_duration_ns(value)
    if not duration_ns:
        raise ValueError("must be more than nothing")
    return duration_ns


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")  # noqa: TRY004 - one class for all that a user may write
    return value


def _count(value: Any) -> int:
    if not 1 <= _integer(value) <= _MOST:
        raise ValueError(f"must be 1 to {_MOST}")
    return int(value)


def _address(value: Any) -> str:
    try:
        address = ipaddress.IPv4Address(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError('must be an IPv4 address such as "10.1.0.1"') from None
    if address.is_loopback or address.is_unspecified:
        raise ValueError("must be the address of an interface that others can reach")
    return str(address)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of texts such as ["--port", "5555"]')
    return tuple(value)


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("must be a number from 0 to 1, such as 0.01")
    return float(value)


def _one_of(value: Any, known: list[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"there is no such thing; {did_you_mean(str(value), known)}")
    return value


def _two(value: Any, hosts: list[str]) -> tuple[str, str]:
    if not isinstance(value, list) or len(value) != 2 or value[0] == value[1]:
        raise ValueError('must be a list of two different hosts such as ["east", "west"]')
    return _one_of(value[0], hosts), _one_of(value[1], hosts)


def _script(value: Any, folder: Path) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("must be the path of a Python file")
    script = folder / value
    if not script.is_file():
        raise ValueError(f"there is no such file ({script})")
    return script


def _not_for(kind: str | None, kinds: tuple[str, ...], parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if kind in kinds:
            raise ValueError(f"has no meaning for the kind {kind}")
        return parse(value)

    return check
