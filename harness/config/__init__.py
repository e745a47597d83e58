"""From an experiment file to an :class:`Experiment`: everything resolved, or everything that is wrong said at once.

The file is read into plain data (:mod:`harness.config.document`), each variant is laid over it and read
against the options classes of the kinds that it names (:mod:`harness.config.fields`). Limits, so that no
file asks for more than a machine can give: 1 MiB of file, an hour of load, 1000 nodes, 10 M
messages a second, 20 M expected deliveries, messages of 32 bytes (the stamp) to 64 MiB, 1000 seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import faults, kinds, patterns
from harness.config import document, links, refine, remedies, wiring
from harness.config.fields import DURATION_LIMIT_NS, INVALID, Field, Reader, fields_of
from harness.config.named import LABEL, LABEL_RULE, labelled, module_of
from harness.problems import MISSING, ConfigError, Problem, Problems, did_you_mean
from harness.run import FaultSpec, Live, decode
from harness.topology import Topology
from harness.trace import CAUSES
from harness.units import NS_PER_S, Within, format_duration_ns

__all__ = ["CLAIMS", "ConfigError", "Experiment", "Problem", "Variant", "load"]

CLAIMS = (*CAUSES, "queueing", "every_receiver", "unanswered")
"""What an experiment may claim to exercise: a cause of loss, waiting, that all receivers got something, or that
somebody waits for ever for an answer."""

REPLICATION_LIMIT = 1000

_REPLICATIONS = Within(1, REPLICATION_LIMIT)
_HEAD = (
    Field("title", str, required=False),
    Field("question", str, required=False),
    Field("seed", int, required=False, within=Within(0, 2**53)),
    Field("seeds", int, required=False, within=_REPLICATIONS),
    Field("replications", int, required=False, within=_REPLICATIONS),
)
_TIMES = (
    Field("duration_ns", int, within=Within(1_000_000, DURATION_LIMIT_NS)),
    Field("warmup_ns", int, required=False),
    Field("drain_ns", int, required=False),
    Field("wall_limit_ns", int, required=False, within=Within(NS_PER_S, 24 * DURATION_LIMIT_NS)),
)
_SECTIONS = ("exercises", "live", "pattern", "remedy", "node", "endpoint", "flow", "link", "fault")
_VARIABLE = (*(field.key for field in _TIMES), *_SECTIONS)
_KNOWN = (*(field.key for field in _HEAD), *_VARIABLE, "variant")
_LATER = ("expect", "sweep")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to run an experiment, resolved. Attributes are those of :class:`harness.run.Run`."""

    name: str
    duration_ns: int
    warmup_ns: int
    drain_limit_ns: int
    wall_limit_ns: int
    topology: Topology
    faults: tuple[FaultSpec, ...]
    claims: tuple[str, ...]
    live: Live
    pattern: str | None
    """The kind of pattern, None for a topology of one's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What an experiment file says.

    Attributes:
        name: the stem of the file.
        seed: of the first replication; the others follow.
        seeds: replications in the simulation.
        replications: replications live.
        variants: by name; ``plain`` is always the first.
    """

    name: str
    path: Path
    title: str
    question: str
    seed: int
    seeds: int
    replications: int
    variants: Mapping[str, Variant]

    @property
    def plain(self) -> Variant:
        """The experiment as it stands, without a variant's changes."""
        return self.variants["plain"]

    @property
    def duration_ns(self) -> int:
        """Of the plain variant."""
        return self.plain.duration_ns

    @property
    def warmup_ns(self) -> int:
        """Of the plain variant."""
        return self.plain.warmup_ns

    @property
    def drain_limit_ns(self) -> int:
        """Of the plain variant."""
        return self.plain.drain_limit_ns

    @property
    def wall_limit_ns(self) -> int:
        """Of the plain variant."""
        return self.plain.wall_limit_ns

    @property
    def claims(self) -> tuple[str, ...]:
        """Of the plain variant."""
        return self.plain.claims

    @property
    def pattern(self) -> str | None:
        """Of the plain variant."""
        return self.plain.pattern

    @property
    def programs(self) -> tuple[str, ...]:
        """The user's own programs, which run when the experiment does: code to be trusted."""
        found = [node.program for variant in self.variants.values() for node in variant.topology.nodes]
        return tuple(dict.fromkeys(program for program in found if not program.startswith("harness.")))


def load(path: Path | str, overrides: Sequence[str] = ()) -> Experiment:
    """Read an experiment file.

    Args:
        path: of the file; programs of its own are found from its folder.
        overrides: ``dotted.key=value`` each, as if it stood in the file; a value that is not TOML
            is a text (``pattern.rate=2k/s``).

    Raises:
        ConfigError: with all problems, each with its key, value and what would have been right.
    """
    path = Path(path)
    content = document.read(path, overrides)
    problems = Problems()
    reader = Reader(problems, 0)
    name = path.stem
    if not LABEL.fullmatch(name):
        problems.add((), None, f"the name of the file is the name of the experiment; {LABEL_RULE}, not {name[:80]!r}")
    for key, value in content.items():
        _check_key(key, value, _KNOWN, (), reader)
    keys = [field.key for field in _HEAD]
    head = reader.fields(_HEAD, {key: content[key] for key in keys if key in content}, ())
    base = {key: content[key] for key in _VARIABLE if key in content}
    variants = {
        label: _read_variant(label, base, changes, path.parent, problems)
        for label, changes in _changes(content.get("variant", {}), reader).items()
    }
    if problems:
        raise ConfigError(path, problems)
    return Experiment(
        name=name,
        path=path,
        title=head.get("title", name),
        question=head.get("question", ""),
        seed=head.get("seed", 1),
        seeds=head.get("seeds", 30),
        replications=head.get("replications", 10),
        variants={label: variant for label, variant in variants.items() if variant is not None},
    )


def _check_key(key: str, value: Any, known: Sequence[str], path: Sequence[str], reader: Reader) -> None:
    if key in known:
        return
    if key in _LATER:
        message = f"is not available yet; leave it out. Available here: {', '.join(known)}"
    elif key in _KNOWN:
        message = f"holds for all variants; write {key} at the top of the file"
    else:
        message = f"unknown key; {did_you_mean(key, known)}"
    reader.wrong((*path, key), value, message)


def _changes(section: Any, reader: Reader) -> dict[str, dict[str, Any]]:
    """Variant name to what it changes; ``plain`` first, and always there."""
    found: dict[str, dict[str, Any]] = {"plain": {}}
    for label, value in reader.table(section, ("variant",), "[variant.bigger]").items():
        path = ("variant", label)
        if not LABEL.fullmatch(label):
            reader.wrong(path, value, LABEL_RULE)
        table = reader.table(value, path, "[variant.bigger] with node.pub.options.sndhwm = 10000")
        for key, item in table.items():
            _check_key(key, item, _VARIABLE, path, reader)
        found[label] = {key: item for key, item in table.items() if key in _VARIABLE}
    return found


def _read_variant(
    label: str, base: Mapping[str, Any], changes: Mapping[str, Any], folder: Path, problems: Problems
) -> Variant | None:
    """The base with the changes on top; problems are noted at the place where the user wrote them."""
    found = Problems()
    variant = _resolve(label, document.merge(base, changes), folder, found)
    known = [(problem.key, problem.message) for problem in problems]
    for problem in found:
        path = problem.key.split(".")
        if changes and (problem.key, problem.message) not in known:
            if _stands_in(changes, path):
                path = ["variant", label, *path]
                problems.add(path, problem.value, problem.message)
            else:
                problems.add(path, problem.value, f"{problem.message} (in variant {label})")
        else:
            problems.add(path, problem.value, problem.message)
    return variant


def _stands_in(changes: Any, path: Sequence[str]) -> bool:
    for key in path:
        if not isinstance(changes, dict) or key not in changes:
            return False
        changes = changes[key]
    return True


def _resolve(label: str, content: Mapping[str, Any], folder: Path, problems: Problems) -> Variant | None:
    keys = [field.key for field in _TIMES]
    # Until the duration is known: what is compared with it is then not found wrong for want of it.
    reader = Reader(problems, DURATION_LIMIT_NS)
    times = reader.fields(_TIMES, {key: content[key] for key in keys if key in content}, ())
    duration_ns = reader.until_ns = times.get("duration_ns", DURATION_LIMIT_NS)
    if "duration_ns" in times:
        _check_times(times, content, reader)
    topology = _topology(content, folder, reader)
    if topology is not None:
        topology = remedies.apply(topology, content.get("remedy", {}), reader)
        topology = refine.refine(topology, content, reader)
        refine.check_names(topology, reader)
        refine.check_multicast(topology, "pattern" not in content, reader)
        if "duration_ns" in times:
            refine.check_load(topology, reader)
        topology = links.read_links(topology, content.get("link", {}), reader)
    schedule = _faults(content.get("fault", {}), topology, reader)
    claims = _claims(content.get("exercises", []), reader)
    live = reader.table(content.get("live", {}), ("live",), '[live] with network = "proxy"')
    live = reader.fields(fields_of(Live), live, ("live",))
    if problems or topology is None:
        return None
    kind = content["pattern"]["kind"] if "pattern" in content else None
    return Variant(
        name=label,
        duration_ns=duration_ns,
        warmup_ns=times.get("warmup_ns", 0),
        drain_limit_ns=times.get("drain_ns", 10 * NS_PER_S),
        wall_limit_ns=times.get("wall_limit_ns", duration_ns + 60 * NS_PER_S),
        topology=links.complete(topology, schedule),
        faults=schedule,
        claims=claims,
        live=decode(Live, live),
        pattern=kind,
    )


def _check_times(times: Mapping[str, int], content: Mapping[str, Any], reader: Reader) -> None:
    duration = format_duration_ns(times["duration_ns"])
    if times.get("warmup_ns", 0) >= times["duration_ns"]:
        reader.wrong(
            ("warmup",), content["warmup"], f"leaves nothing to measure; write less than the duration, {duration}"
        )
    if times.get("wall_limit_ns", DURATION_LIMIT_NS * 24) <= times["duration_ns"]:
        reader.wrong(
            ("wall_limit",), content["wall_limit"], f"ends the run too early; write more than the duration, {duration}"
        )


def _topology(content: Mapping[str, Any], folder: Path, reader: Reader) -> Topology | None:
    """What the pattern builds, or what the user wired; None when not even the names of nodes are known."""
    if "pattern" in content:
        for key in ("endpoint", "flow"):
            if key in content:
                message = "belongs to a topology of one's own; leave it out, or leave out [pattern]"
                reader.wrong((key,), content[key], message)
        return _build(content["pattern"], reader)
    if not isinstance(content.get("node"), dict) or not content["node"]:
        example = 'write [pattern] with kind = "pubsub", or [node.NAME] with program = "mine.py:function"'
        reader.wrong(("pattern",), MISSING, f"is missing; {example}")
        return None
    return wiring.read_topology(content, folder, reader)


def _build(section: Any, reader: Reader) -> Topology | None:
    if not isinstance(section, dict):
        reader.wrong(("pattern",), section, 'must be a table, such as [pattern] with kind = "pubsub"')
        return None
    table: dict[str, Any] = section
    module = module_of("pattern", patterns.__name__, table, ("pattern",), reader)
    if module is None:
        return None
    fields = fields_of(module.Options)
    plain = reader.fields(fields, {key: value for key, value in table.items() if key != "kind"}, ("pattern",))
    if "burst" in table and table.get("arrivals") != "burst":
        message = 'has no effect; write arrivals = "burst" as well, or leave it out'
        reader.wrong(("pattern", "burst"), table["burst"], message)
    for field in fields:
        if field.name not in plain and (field.required or field.key in table):
            if field.unit == "_per_s":
                plain[field.name] = 1.0  # a stand-in, so that the names of nodes can be checked all the same
            elif field.required or field.names_groups or field.names_nodes:
                return None
    topology: Topology = module.build(decode(module.Options, plain), reader.until_ns)
    return topology


def _faults(section: Any, topology: Topology | None, reader: Reader) -> tuple[FaultSpec, ...]:
    found: list[FaultSpec] = []
    example = '[fault.label] with kind = "slow"'
    for path, table, module in labelled("fault", faults.__name__, section, example, reader):
        options = {key: item for key, item in table.items() if key != "kind"}
        plain = reader.fields(fields_of(module.Options), options, path)
        names = [node.name for node in topology.nodes] if topology is not None else []
        if names and "node" in plain and plain["node"] not in names:
            message = f"there is no such node; {did_you_mean(plain['node'], names)}"
            reader.wrong((*path, "node"), plain["node"], message)
        if topology is not None:
            links.check_fault(table["kind"], plain, topology, path, reader)
        if plain.get("at_ns", 0) >= reader.until_ns:
            message = f"is never reached; write less than the duration, {format_duration_ns(reader.until_ns)}"
            reader.wrong((*path, "at"), table["at"], message)
        fault = FaultSpec(label=path[1], kind=table["kind"], options=plain)
        _check_overlap(fault, found, table, reader)
        found.append(fault)
    return tuple(found)


def _check_overlap(fault: FaultSpec, others: Sequence[FaultSpec], table: Mapping[str, Any], reader: Reader) -> None:
    """Two faults of one kind on one node or link may not overlap: the end of the first would end both."""

    def span(of: FaultSpec) -> tuple[int, int]:
        at_ns = of.options.get("at_ns", 0)
        lasts = any(field.name == "lasts_ns" for field in fields_of(kinds.load(faults.__name__, of.kind).Options))
        return at_ns, at_ns + of.options.get("lasts_ns", 2 * DURATION_LIMIT_NS if lasts else 1)

    start_ns, end_ns = span(fault)
    for other in others:
        other_start_ns, other_end_ns = span(other)
        same = other.kind == fault.kind and all(
            other.options.get(whom) == fault.options.get(whom) for whom in ("node", "link")
        )
        if same and start_ns < other_end_ns and other_start_ns < end_ns:
            whom = "link" if "link" in fault.options else "node"
            message = (
                f'overlaps with fault "{other.label}" of the same kind and {whom}; let one end before the other begins'
            )
            reader.wrong(("fault", fault.label, "at"), table.get("at", MISSING), message)


def _claims(value: Any, reader: Reader) -> tuple[str, ...]:
    if value == []:
        return ()
    words = reader.texts(value, ("exercises",), "exercises")
    if words is INVALID:
        return ()
    for word in words:
        if word not in CLAIMS:
            reader.wrong(("exercises",), word, f"is nothing that a run can exercise; {did_you_mean(word, CLAIMS)}")
    return tuple(words)
