"""One resolved execution: all that a world needs, as plain data; its hash is its id."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from harness.load import Arrivals
from harness.topology import Node, Topology

T = TypeVar("T")

SETTLE_NS = 500_000_000
"""Programs without a start time start this long before the start line, so that connections,
handshakes and subscriptions are done when the load begins (simulation; the live world waits until
all are ready and then as long again)."""

MEMORY_PERIOD_NS = 10_000_000
"""From one look at the memory of a process that is limited to the next, in both worlds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """One fault of a run: the user's label, the kind (a module of ``harness.faults``), its options."""

    label: str
    kind: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """How the live world is made.

    Attributes:
        network: what lies between the nodes. ``"proxy"``: loopback, and a relay of bytes in each link; needs no
            privilege. ``"namespaces"``: a network namespace for each process and an interface for each link, so that
            the kernel's own tcp meets them; Linux, with the right to make namespaces.
        cpu: which cores the processes of the run have: ``"all"`` that the harness has, or ``"one"``, which takes most
            of the machine's own noise out of latencies at low rates. Nothing is predicted from it.
    """

    network: Literal["proxy", "namespaces"] = "proxy"
    cpu: Literal["all", "one"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution in one world with one seed.

    Attributes:
        experiment, variant: names.
        world: ``"sim"`` or ``"live"``.
        seed: all chance comes from this and a name.
        replication: position among the replications of the same experiment.
        duration_ns: load is offered from 0 until then.
        warmup_ns: metrics leave out what was due before.
        drain_limit_ns: how long after the end of the load messages may still arrive.
        wall_limit_ns: a live run ends after this much real time, a simulated one too.
        claims: what the experiment claims to exercise (a cause, ``queueing``, ``every_receiver``, ``unanswered``).
        profile: name of the calibration profile that the twin uses.
        live: how the live world is made; a simulated run has it as well, since it predicts that world.
    """

    experiment: str
    variant: str
    world: str
    seed: int
    replication: int
    duration_ns: int
    warmup_ns: int
    drain_limit_ns: int
    wall_limit_ns: int
    topology: Topology
    faults: tuple[FaultSpec, ...] = ()
    claims: tuple[str, ...] = ()
    profile: str = "default"
    live: Live = Live()

    def plain(self) -> dict[str, Any]:
        """As nested dicts, lists, strings and numbers; :func:`from_plain` is the inverse."""
        return typing.cast("dict[str, Any]", _plain(self))

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of the canonical form."""
        text = json.dumps(self.plain(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def rng(self, name: str) -> np.random.Generator:
        """The source of chance of that name: the same in both worlds, independent of all others."""
        digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def from_plain(plain: Mapping[str, Any]) -> Run:
    """The run of which :meth:`Run.plain` made this. Raises TypeError, ValueError."""
    return decode(Run, plain)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {name: _plain(item) for name, item in items if item is not None}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def decode(cls: type[T], plain: Mapping[str, Any]) -> T:
    """Make a frozen options class from plain data, nested classes and tuples included.

    Raises TypeError for a key that the class has not, or one that is missing.
    """
    hints = typing.get_type_hints(cls)
    unknown = [key for key in plain if key not in hints]
    if unknown:
        raise TypeError(f"{cls.__name__} has no {unknown[0]!r}; it has {', '.join(sorted(hints))}")
    return cls(**{key: _decode_value(hints[key], value) for key, value in plain.items()})


def _decode_value(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        inner = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return _decode_value(inner[0], value) if len(inner) == 1 else value
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return decode(typing.cast("type[Any]", hint), value)
    if origin is tuple and isinstance(value, (list, tuple)):
        item_hint = typing.get_args(hint)[0]
        return tuple(_decode_value(item_hint, item) for item in value)
    return value


def load_program(reference: str) -> tuple[Callable[[Any, Any], None], type[Any] | None]:
    """The program function of ``"module:function"`` or ``"path.py:function"`` and its options class.

    The options class is the annotation of the second parameter; None when it has none, and the
    program is then given a plain ``types.SimpleNamespace``.
    Raises ImportError, AttributeError.
    """
    where, _, name = reference.rpartition(":")
    if where.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(where).stem, where)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot load {where}")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    function = getattr(module, name)
    hints = typing.get_type_hints(function)
    parameters = list(function.__code__.co_varnames[: function.__code__.co_argcount])
    hint = hints.get(parameters[1]) if len(parameters) > 1 else None
    return function, hint if isinstance(hint, type) and dataclasses.is_dataclass(hint) else None


def program_options(cls: type[Any] | None, plain: Mapping[str, Any]) -> Any:
    """The options object that a program is called with."""
    return decode(cls, plain) if cls is not None else types.SimpleNamespace(**plain)


def schedule(node: Node) -> Arrivals | None:
    """When a node is to send; None when it has no schedule (it answers, or its program is the user's own)."""
    given = node.options.get("arrivals")
    try:
        return decode(Arrivals, given) if isinstance(given, Mapping) else None
    except TypeError:
        return None
