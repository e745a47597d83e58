"""``[remedy.LABEL]``: each rewrites the topology, in the order of the file, before ``[node.*]`` has the last word.

So a node that a remedy adds can be refined like any other, and what an experiment says of a node holds whatever a
remedy has set there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness import remedies
from harness.config import programs
from harness.config.fields import Reader, fields_of
from harness.config.named import labelled
from harness.remedies import MisfitError
from harness.run import decode
from harness.topology import Topology

_EXAMPLE = '[remedy.label] with kind = "heartbeat"'


def apply(topology: Topology, section: Any, reader: Reader) -> Topology:
    """The topology with all remedies in it that fit; what is wrong with others is noted."""
    for path, table, module in labelled("remedy", remedies.__name__, section, _EXAMPLE, reader):
        before = len(reader.problems)
        options = {key: item for key, item in table.items() if key != "kind"}
        plain = reader.fields(fields_of(module.Options), options, path)
        if len(reader.problems) > before:
            continue
        try:
            changed = module.apply(topology, decode(module.Options, plain))
        except MisfitError as error:
            reader.wrong((*path, error.option), table.get(error.option), str(error))
            continue
        _check_programs(topology, changed, (*path, "kind"), table["kind"], reader)
        topology = changed
    return topology


def _check_programs(before: Topology, after: Topology, path: Sequence[str], kind: str, reader: Reader) -> None:
    """A program of the user's own must have somewhere to hold the socket options that a remedy sets."""
    changed: dict[str, str] = {}
    for node in after.nodes:
        if node not in before.nodes and "socket" in node.options:
            changed.setdefault(node.program, node.name)
    for program, name in changed.items():
        if programs.without_socket(programs.known_fields(program)):
            message = f"sets socket options of {name}, whose program has no field for them in its options class; "
            reader.wrong(path, kind, message + "add socket: Mapping[str, Any]")
