"""What remedies share: whom one is for, by the types of sockets, and the two rewrites of a node."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness import run
from harness.problems import did_you_mean
from harness.remedies import MisfitError
from harness.roles import Program, reference
from harness.topology import Node, Topology
from harness.units import NS_PER_MS

_REPLACEABLE = "harness.patterns."


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Of a remedy for some nodes. ``nodes``: names of nodes or groups; none is all that it fits."""

    nodes: tuple[str, ...] = ()


def having(topology: Topology, *types: str) -> tuple[str, ...]:
    """Names of the nodes with a socket of one of these types, in order."""
    return tuple(
        node.name
        for node in topology.nodes
        if any(end.socket_type(node.name) in types for end in topology.ends_of(node.name))
    )


def choose(topology: Topology, fitting: Iterable[str], options: Chosen, fits: str) -> tuple[str, ...]:
    """Those that fit and were asked for.

    Args:
        fitting: names of the nodes that the remedy can be applied to.
        fits: what those are, for people.

    Raises MisfitError when a name is unknown, or what was asked for does not fit.
    """
    fitting = tuple(fitting)
    if not fitting:
        raise MisfitError(f"does not fit here: it is for {fits}")
    if not options.nodes:
        return fitting
    found: list[str] = []
    for name in options.nodes:
        meant = [node.name for node in topology.nodes if name in (node.name, node.group)]
        if not meant:
            known = dict.fromkeys(itertools.chain.from_iterable((each.group, each.name) for each in topology.nodes))
            raise MisfitError(f'there is no node or group "{name[:64]}"; {did_you_mean(name, list(known))}', "nodes")
        if not set(meant) <= set(fitting):
            message = f'"{name}" is none of those that this remedy is for: {fits}; here {", ".join(fitting[:8])}'
            raise MisfitError(message, "nodes")
        found += meant
    return tuple(dict.fromkeys(found))


def with_options(topology: Topology, names: Iterable[str], **socket: int) -> Topology:
    """With these socket options at these nodes, by pyzmq's names, as libzmq takes them."""
    chosen = tuple(names)
    nodes = (
        dataclasses.replace(node, options={**node.options, "socket": {**node.options.get("socket", {}), **socket}})
        if node.name in chosen
        else node
        for node in topology.nodes
    )
    return dataclasses.replace(topology, nodes=tuple(nodes))


def with_program(topology: Topology, program: Program, told: Mapping[str, Mapping[str, Any]]) -> Topology:
    """With this program at these nodes, which takes over all that the old one was told, and is told this besides.

    Args:
        told: name of each node to the options that the program has besides.

    Raises MisfitError when an old program is not a pattern's, or was told what the new one does not understand.
    """
    nodes = (_replaced(node, program, told[node.name]) if node.name in told else node for node in topology.nodes)
    return dataclasses.replace(topology, nodes=tuple(nodes))


def _replaced(node: Node, program: Program, told: Mapping[str, Any]) -> Node:
    if not node.program.startswith(_REPLACEABLE):
        message = f"replaces the program of {node.name}, which is no pattern's: {node.program}; apply it to a pattern"
        raise MisfitError(message)
    new = reference(program)
    _, cls = run.load_program(new)
    known = [field.name for field in dataclasses.fields(cls)] if cls is not None else []
    strange = [key for key in node.options if key not in known]
    if strange:
        message = f"cannot take over the role of {node.name}, which has {strange[0]}; it fits simpler roles"
        raise MisfitError(message)
    return dataclasses.replace(node, program=new, options={**node.options, **told})


def milliseconds(time_ns: int, option: str) -> int:
    """As libzmq counts them. Raises MisfitError for a fraction."""
    whole, rest = divmod(time_ns, NS_PER_MS)
    if rest or not whole:
        raise MisfitError('must be whole milliseconds, at least one, as libzmq counts them, such as "250ms"', option)
    return whole
