"""What ``[node.NAME]`` changes in a topology: start, socket options, and the options of the role's program."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from harness.config import programs
from harness.config.fields import INVALID, NODE_LIMIT, Field, Reader
from harness.config.sockets import IDLE, LATER, OPTIONS, PUBLISHING, read_option
from harness.config.wiring import socket_types
from harness.problems import MISSING, did_you_mean
from harness.topology import MULTICAST, Node, Topology
from harness.units import NS_PER_S, Within, format_duration_ns

DELIVERY_LIMIT = 20_000_000
MEMORY_LEAST_BYTES = 1 << 20
MEMORY_MOST_BYTES = 4 << 30
"""A limit on memory: less is lost in the noise of an allocator, more is not the machine's to give."""

_START = Field("start_ns", int, required=False)
_MEMORY = Field("memory_bytes", int, required=False, within=Within(MEMORY_LEAST_BYTES, MEMORY_MOST_BYTES))
_OF_THE_NODE = ("start", "memory", "options")
"""Keys of every node; the others are options of its program."""

_WIRED = ("program", "count")
"""Keys of a node in a topology of one's own, read there."""


def refine(topology: Topology, content: Mapping[str, Any], reader: Reader) -> Topology:
    """The topology with the sections ``[node.*]`` applied: those of groups first, then those of single nodes."""
    section = reader.table(content.get("node", {}), ("node",), '[node.slow] with service = { constant = "1ms" }')
    nodes = {node.name: node for node in topology.nodes}
    groups = list(dict.fromkeys(node.group for node in topology.nodes))
    own = "pattern" not in content
    for label in sorted(section, key=lambda name: name not in groups):
        members = [node for node in nodes.values() if label == node.group] or [
            nodes[name] for name in nodes if name == label
        ]
        path, table = ("node", label), section[label]
        if members and isinstance(table, dict):
            for node in _refined(members, table, path, topology, own, reader):
                nodes[node.name] = node
        elif not own:  # what is wrong with a section of one's own topology was noted where it was wired
            known = list(dict.fromkeys([*groups, *nodes]))
            message = f"there is no such node or group; {did_you_mean(label, known)}"
            if members:
                message = 'must be a table, such as [node.slow] with service = { constant = "1ms" }'
            reader.wrong(path, table, message)
    return dataclasses.replace(topology, nodes=tuple(nodes[node.name] for node in topology.nodes))


def _refined(
    members: Sequence[Node],
    table: Mapping[str, Any],
    path: Sequence[str],
    topology: Topology,
    own: bool,
    reader: Reader,
) -> list[Node]:
    """The nodes of one section; they run the same program, so it is read once."""
    fields = programs.known_fields(members[0].program)
    plain: dict[str, Any] = {}
    if "options" in table:
        if programs.without_socket(fields):
            message = "the program's options class has no field socket to hold them; add socket: Mapping[str, Any]"
            reader.wrong((*path, "options"), table["options"], message)
        plain["socket"] = _socket_options(table["options"], members, topology, (*path, "options"), reader)
    start_ns = members[0].start_ns
    if "start" in table:
        start_ns = _start(table["start"], (*path, "start"), reader)
    memory_bytes = members[0].memory_limit_bytes
    if "memory" in table:
        read = reader.value(_MEMORY, table["memory"], (*path, "memory"))
        memory_bytes = None if read is INVALID else read
    taken = (*_OF_THE_NODE, *(_WIRED if own else ()))
    rest = {key: value for key, value in table.items() if key not in taken}
    if fields is not None:
        known = [field for field in fields if field.name != "socket"]
        plain |= reader.fields(known, rest, path, complete=own, also=taken)
    else:
        plain |= _free(rest, path, reader)
    return [
        dataclasses.replace(
            node,
            options={**node.options, **plain, **_merged_socket(node, plain)},
            start_ns=start_ns if start_ns is not None else node.start_ns,
            memory_limit_bytes=memory_bytes if memory_bytes is not None else node.memory_limit_bytes,
        )
        for node in members
    ]


def _merged_socket(node: Node, plain: Mapping[str, Any]) -> dict[str, Any]:
    return {"socket": {**node.options.get("socket", {}), **plain["socket"]}} if "socket" in plain else {}


def _free(rest: Mapping[str, Any], path: Sequence[str], reader: Reader) -> dict[str, Any]:
    """Options of a program whose options class cannot be read: passed on as they stand."""
    read = {key: reader.anything(value, (*path, key)) for key, value in rest.items()}
    return {key: value for key, value in read.items() if value is not INVALID}


def _start(value: Any, path: Sequence[str], reader: Reader) -> int | None:
    start_ns = reader.value(_START, value, path)
    if start_ns is INVALID:
        return None
    if start_ns >= reader.until_ns:
        message = f"is never reached; write less than the duration, {format_duration_ns(reader.until_ns)}"
        reader.wrong(path, value, message)
    return int(start_ns)


def _socket_options(
    section: Any, members: Sequence[Node], topology: Topology, path: Sequence[str], reader: Reader
) -> dict[str, Any]:
    types = socket_types(members[0].name, topology.endpoints)
    plain: dict[str, Any] = {}
    for name, value in reader.table(section, path, '{ rcvhwm = 100, rcvbuf = "8KiB" }').items():
        where = (*path, name)
        if name in IDLE:
            reader.wrong(where, value, IDLE[name])
        elif name in LATER:
            reader.wrong(where, value, f"is not simulated yet; options that are: {', '.join(OPTIONS)}")
        elif name not in OPTIONS:
            reader.wrong(where, value, f"is no socket option; {did_you_mean(name.lower(), OPTIONS)}")
        elif OPTIONS[name].types and types and not set(types) & set(OPTIONS[name].types):
            has = " or ".join(OPTIONS[name].types)
            reader.wrong(
                where, value, f"is an option of {has}; {members[0].name} has {' and '.join(types)}: leave it out"
            )
        elif OPTIONS[name].multicast and not any(topology.uses(node.name, MULTICAST) for node in members):
            message = f"is an option of pgm and epgm, and {members[0].name} has no such endpoint: leave it out"
            reader.wrong(where, value, message)
        elif name == "routing_id" and len(members) > 1:
            reader.wrong(
                where, value, f"must differ between the {len(members)} nodes of the group; set it node by node"
            )
        else:
            try:
                plain[name] = read_option(name, value)
            except ValueError as error:
                reader.wrong(where, value, str(error))
    return plain


def check_names(topology: Topology, reader: Reader) -> None:
    """Note names that occur twice, and too many nodes."""
    names = [node.name for node in topology.nodes]
    if len(names) > NODE_LIMIT:
        reader.wrong(("node",), len(names), f"are too many nodes; a run has at most {NODE_LIMIT}")
    twice = [name for name, count in _counts(names).items() if count > 1]
    for name in twice[:5]:
        reader.wrong(("node", name), MISSING, "is the name of two nodes; name one of the groups differently")


def check_multicast(topology: Topology, own: bool, reader: Reader) -> None:
    """Note endpoints of pgm and epgm between sockets that cannot use them (F214); ``own``: not a pattern's."""
    for end in topology.endpoints:
        strange = [kind for kind in (end.binder_type, end.connecter_type) if kind.upper() not in PUBLISHING]
        if end.transport in MULTICAST and strange:
            path = ("endpoint", end.name, "transport") if own else ("pattern", "transport")
            message = f"is for {', '.join(PUBLISHING)}, and not for {' and '.join(strange)}; write another transport"
            reader.wrong(path, end.transport, message)


def check_load(topology: Topology, reader: Reader) -> None:
    """Note flows that would owe more deliveries than a run can hold."""
    for flow in topology.flows:
        fan_out = len(flow.receivers) if flow.delivery == "all" else 1
        senders = dict.fromkeys(flow.senders)
        expected = fan_out * sum(_offered(node) for node in topology.nodes if node.name in senders)
        if expected > DELIVERY_LIMIT:
            message = (
                f"flow {flow.name} would owe {expected:,.0f} deliveries; a run holds at most {DELIVERY_LIMIT:,}: "
                "lower rate or duration, or have fewer receivers"
            )
            reader.wrong(("duration",), format_duration_ns(reader.until_ns), message)


def _counts(names: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts


def _offered(node: Node) -> float:
    """Messages that the schedules of a node's options will ask for."""
    schedules = (value for value in node.options.values() if isinstance(value, Mapping) and "rate_per_s" in value)
    return sum(float(value["rate_per_s"]) * float(value.get("until_ns", 0)) / NS_PER_S for value in schedules)
