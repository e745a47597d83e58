"""What ``[link.NAME]`` gives to nodes: an access to the network that is slower, narrower or worse than a wire."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from harness.config.fields import Reader, fields_of
from harness.problems import did_you_mean
from harness.relay.ways import ONLY
from harness.run import FaultSpec
from harness.topology import LINKED, Link, Topology

_LINKED = f"{', '.join(LINKED[:-1])} or {LINKED[-1]}"
_OF_CONNECTIONS = ("reset", "refuse", "half_close", *ONLY)
"""Faults of what only tcp has."""

_FIELDS = tuple(field for field in fields_of(Link) if field.name != "node")


def read_links(topology: Topology, section: Any, reader: Reader) -> Topology:
    """The topology with the sections ``[link.*]`` applied: those of groups first, then those of single nodes."""
    tables = reader.table(section, ("link",), '[link.slow] with delay = "5ms"')
    groups = list(dict.fromkeys(node.group for node in topology.nodes))
    known = list(dict.fromkeys([*groups, *(node.name for node in topology.nodes)]))
    found: dict[str, Link] = {}
    for label in sorted(tables, key=lambda name: name not in groups):
        path = ("link", label)
        table = reader.table(tables[label], path, '[link.slow] with delay = "5ms"')
        plain = reader.fields(_FIELDS, table, path)
        _check_order(plain, path, reader)
        members = [node.name for node in topology.nodes if label in (node.group, node.name)]
        if not members:
            message = f"a link has the name of the node or group whose it is; {did_you_mean(label, known)}"
            reader.wrong(path, tables[label], message)
        for name in members:
            if not topology.uses(name, LINKED):
                reader.wrong(path, tables[label], f"{name} has no {_LINKED} endpoint: nothing else passes a link")
            found[name] = Link(node=name, **plain)
    return dataclasses.replace(topology, links=tuple(found.values()))


def complete(topology: Topology, faults: Sequence[FaultSpec]) -> Topology:
    """A plain link for each node that a fault of a link hits and that has none of its own."""
    names = dict.fromkeys(fault.options["link"] for fault in faults if "link" in fault.options)
    plain = [Link(node=name) for name in names if topology.link(name) is None]
    return dataclasses.replace(topology, links=(*topology.links, *plain))


def check_fault(kind: str, plain: Mapping[str, Any], topology: Topology, path: Sequence[str], reader: Reader) -> None:
    """Note a fault of the link of a node that is not there, or has nothing that passes a link."""
    _check_order(plain, path, reader)
    name = plain.get("link")
    if name is None:
        return
    names = [node.name for node in topology.nodes]
    if name not in names:
        reader.wrong((*path, "link"), name, f"there is no such node; {did_you_mean(name, names)}")
    elif not topology.uses(name, LINKED):
        reader.wrong((*path, "link"), name, f"{name} has no {_LINKED} endpoint: nothing else passes a link")
    elif kind in _OF_CONNECTIONS and not topology.uses(name, ("tcp",)):
        reader.wrong((*path, "link"), name, f"{name} has no tcp endpoint: pgm has no connections that could break")


def _check_order(plain: Mapping[str, Any], path: Sequence[str], reader: Reader) -> None:
    if plain.get("reorder") and not (plain.get("delay_ns") or plain.get("jitter_ns")):
        why = "a packet overtakes those that a delay holds: give a delay or a jitter here, too"
        reader.wrong((*path, "reorder"), plain["reorder"], why)
