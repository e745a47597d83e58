"""A topology of one's own: ``[node.*]``, ``[endpoint.*]`` and ``[flow.*]`` read and checked against one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.config import programs
from harness.config.fields import INVALID, NAME, NAME_RULE, NODE_LIMIT, Field, Reader
from harness.config.sockets import CANNOT_RECEIVE, CANNOT_SEND, NOT_SIMULATED, PEERS
from harness.problems import MISSING, did_you_mean
from harness.topology import Endpoint, Flow, Node, Topology, Transport, members
from harness.units import Within

_ENDPOINT = (
    Field("transport", Transport),
    Field("binder", str),
    Field("connecters", tuple[str, ...]),
    Field("binder_type", str),
    Field("connecter_type", str),
)
_FLOW = (
    Field("senders", tuple[str, ...]),
    Field("receivers", tuple[str, ...]),
    Field("delivery", Literal["all", "one", "addressed"]),
    Field("endpoint", str),
)
_COUNT = Field("count", int, required=False, within=Within(1, NODE_LIMIT))

_DELIVERIES = {"PUB": "all", "XPUB": "all", "XSUB": "all", "PUSH": "one"}
"""Socket types that leave no choice of delivery (RFC 29, RFC 30)."""


@dataclass(frozen=True, slots=True)
class _Names:
    """Node names by what a user may call them: a node's own name, or that of its group."""

    nodes: tuple[Node, ...]

    def find(self, name: str) -> tuple[str, ...]:
        return tuple(node.name for node in self.nodes if name in (node.name, node.group))

    def known(self) -> list[str]:
        return list(dict.fromkeys(name for node in self.nodes for name in (node.group, node.name)))


def read_topology(document: Mapping[str, Any], folder: Path, reader: Reader) -> Topology:
    """The topology that the sections describe; what could not be read is noted and left out."""
    names = _Names(_nodes(document.get("node"), folder, reader))
    endpoints = tuple(
        endpoint
        for label, table in _sections(document, "endpoint", reader)
        if (endpoint := _endpoint(label, table, names, reader)) is not None
    )
    flows = tuple(
        flow
        for label, table in _sections(document, "flow", reader)
        if (flow := _flow(label, table, names, endpoints, document, reader)) is not None
    )
    return Topology(nodes=names.nodes, endpoints=endpoints, flows=flows)


def _nodes(section: Any, folder: Path, reader: Reader) -> tuple[Node, ...]:
    nodes: list[Node] = []
    for group, table in section.items():
        path = ("node", group)
        if not NAME.fullmatch(group):  # and is known all the same: what refers to it is not wrong
            reader.wrong(path, table, NAME_RULE)
        if not isinstance(table, dict):
            reader.wrong(path, table, 'must be a table, such as [node.name] with program = "mine.py:function"')
            continue
        count = reader.value(_COUNT, table.get("count", 1), (*path, "count"))
        program = _program(table, path, folder, reader)
        count = 1 if count is INVALID else count
        nodes += [Node(name=name, group=group, program=program) for _, name in members({group: count})]
    return tuple(nodes)


def _program(table: Mapping[str, Any], path: Sequence[str], folder: Path, reader: Reader) -> str:
    """The resolved program; empty when there is none that can be used."""
    where = (*path, "program")
    if "program" not in table:
        reader.wrong(where, MISSING, 'is missing; write program = "mine.py:function"')
        return ""
    reference = reader.text(table["program"], where, '"mine.py:function"')
    if reference is INVALID:
        return ""
    try:
        resolved = programs.resolve(reference, folder)
        programs.program_fields(resolved)
    except (ValueError, OSError) as error:
        reader.wrong(where, reference, str(error))
        return ""
    return resolved


def _sections(document: Mapping[str, Any], kind: str, reader: Reader) -> list[tuple[str, Any]]:
    example = f"[{kind}.name]"
    section = document.get(kind, {})
    if not section:
        reader.wrong((kind,), MISSING, f"is missing; a topology of one's own has at least one {example}")
        return []
    found = []
    for label, table in reader.table(section, (kind,), example).items():
        if not NAME.fullmatch(label):
            reader.wrong((kind, label), table, NAME_RULE)
        else:
            found.append((label, reader.table(table, (kind, label), example)))
    return found


def _find(name: str, names: _Names, path: Sequence[str], value: Any, reader: Reader) -> tuple[str, ...]:
    found = names.find(name)
    if not found:
        reader.wrong(path, value, f'there is no node "{name[:64]}"; {did_you_mean(name, names.known())}')
    return found


def _find_all(
    plain: Mapping[str, Any], key: str, names: _Names, path: Sequence[str], reader: Reader
) -> tuple[str, ...]:
    value = plain.get(key, ())
    found = [node for name in value for node in _find(name, names, (*path, key), list(value), reader)]
    return tuple(dict.fromkeys(found))


def _endpoint(label: str, table: Mapping[str, Any], names: _Names, reader: Reader) -> Endpoint | None:
    path = ("endpoint", label)
    plain = reader.fields(_ENDPOINT, table, path)
    types = [_socket_type(plain, key, path, reader) for key in ("binder_type", "connecter_type")]
    fit = all(types) and types[1] in PEERS[types[0]]
    if all(types) and not fit:
        wanted = " or ".join(PEERS[types[0]])
        reader.wrong(
            (*path, "connecter_type"), types[1], f"does not speak with {types[0]}; {types[0]} speaks with {wanted}"
        )
    binder = _find(plain["binder"], names, (*path, "binder"), plain["binder"], reader) if "binder" in plain else ()
    if len(binder) > 1:
        reader.wrong(
            (*path, "binder"),
            plain["binder"],
            f"is a group of {len(binder)} nodes; one node binds, such as {binder[0]}",
        )
    connecters = _find_all(plain, "connecters", names, path, reader)
    for name in connecters:
        if name in binder:
            message = (
                f'"{name}" binds this endpoint and cannot connect to it as well: that is a cycle; name other nodes'
            )
            reader.wrong((*path, "connecters"), list(plain["connecters"]), message)
    if "PAIR" in types and len(connecters) > 1:
        message = f"a PAIR has exactly one peer, not {len(connecters)}; name one node"
        reader.wrong((*path, "connecters"), list(plain["connecters"]), message)
    if len(plain) < len(_ENDPOINT) or not fit or len(binder) != 1 or not connecters:
        return None
    return Endpoint(
        name=label,
        transport=plain["transport"],
        binder=binder[0],
        connecters=connecters,
        binder_type=types[0],
        connecter_type=types[1],
    )


def _socket_type(plain: Mapping[str, Any], key: str, path: Sequence[str], reader: Reader) -> str:
    value: str = plain.get(key, "")
    if not value or value in PEERS:
        return value
    if value in NOT_SIMULATED:
        message = f"is not simulated yet; types that are: {', '.join(PEERS)}"
    else:
        message = f"is no socket type; {did_you_mean(value.upper(), PEERS)}"
    reader.wrong((*path, key), value, message)
    return ""


def _flow(
    label: str,
    table: Mapping[str, Any],
    names: _Names,
    endpoints: Sequence[Endpoint],
    document: Mapping[str, Any],
    reader: Reader,
) -> Flow | None:
    path = ("flow", label)
    plain = reader.fields(_FLOW, table, path)
    senders = _find_all(plain, "senders", names, path, reader)
    receivers = _find_all(plain, "receivers", names, path, reader)
    cycle = [name for name in senders if name in receivers]
    for name in cycle:
        message = f'"{name}" is a sender of this flow and cannot receive it: that is a cycle; name other nodes'
        reader.wrong((*path, "receivers"), list(plain["receivers"]), message)
    written = document.get("endpoint")
    if "endpoint" in plain and isinstance(written, dict) and plain["endpoint"] not in written:
        known = did_you_mean(plain["endpoint"], [item.name for item in endpoints])
        reader.wrong((*path, "endpoint"), plain["endpoint"], f"there is no such endpoint; {known}")
    endpoint = next((item for item in endpoints if item.name == plain.get("endpoint")), None)
    if len(plain) < len(_FLOW) or endpoint is None or not senders or not receivers or cycle:
        return None
    flow = Flow(
        name=label, senders=senders, receivers=receivers, delivery=plain["delivery"], endpoint=plain["endpoint"]
    )
    _check_flow(flow, endpoint, endpoints, path, reader)
    return flow


def socket_types(node: str, endpoints: Sequence[Endpoint]) -> tuple[str, ...]:
    """Types of the sockets that a node has on these endpoints."""
    found = []
    for endpoint in endpoints:
        if node == endpoint.binder:
            found.append(endpoint.binder_type)
        if node in endpoint.connecters:
            found.append(endpoint.connecter_type)
    return tuple(dict.fromkeys(found))


def _check_flow(
    flow: Flow, endpoint: Endpoint, endpoints: Sequence[Endpoint], path: Sequence[str], reader: Reader
) -> None:
    before = len(reader.problems)
    for name in flow.senders:
        types = socket_types(name, (endpoint,))
        if not types:
            message = f'"{name}" neither binds nor connects to endpoint "{endpoint.name}"; name nodes that do'
            reader.wrong((*path, "senders"), list(flow.senders), message)
        elif types[0] in CANNOT_SEND:
            message = f'"{name}" has a {types[0]} there, which cannot send; name the other end'
            reader.wrong((*path, "senders"), list(flow.senders), message)
        elif len(flow.receivers) > 1 and _DELIVERIES.get(types[0], flow.delivery) != flow.delivery:
            right = _DELIVERIES[types[0]]
            message = f'a {types[0]} sends each message to {right} of its receivers; write delivery = "{right}"'
            reader.wrong((*path, "delivery"), flow.delivery, message)
    if len(reader.problems) > before:  # the ends are mixed up: once is enough
        return
    for name in flow.receivers:
        types = socket_types(name, endpoints)  # behind a broker a receiver is on another endpoint
        if not types:
            message = f'"{name}" is on no endpoint at all; name nodes that are'
            reader.wrong((*path, "receivers"), list(flow.receivers), message)
        elif all(item in CANNOT_RECEIVE for item in types):
            message = f'"{name}" has a {types[0]}, which cannot receive; name the other end'
            reader.wrong((*path, "receivers"), list(flow.receivers), message)
