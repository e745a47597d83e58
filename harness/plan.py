"""From an experiment to runs: one for each variant, world and replication."""

from __future__ import annotations

from collections.abc import Sequence

from harness.config import REPLICATION_LIMIT, Experiment, Variant
from harness.problems import MISSING, ConfigError, Problem, did_you_mean
from harness.relay.ways import OF_PACKETS, ONLY, why_none
from harness.run import Run

PROFILE = "default"
"""The calibration profile that simulated and compared runs use."""

_NO_PACKETS = {
    what: f"a link's relay passes a byte stream on and can {cannot} of it; "
    'write live.network = "namespaces", leave it out, or use --world sim'
    for what, cannot in zip(OF_PACKETS, ("lose nothing", "change no order", "repeat nothing"), strict=True)
}

_OF_STREAMS = ("half_close",)
"""Faults that somebody has to be in the stream for."""


def plan(
    experiment: Experiment,
    worlds: Sequence[str],
    *,
    seed: int | None = None,
    replications: int | None = None,
    variant: str | None = None,
) -> tuple[Run, ...]:
    """All runs, variant by variant, world by world, replication by replication.

    Args:
        experiment: what to run.
        worlds: ``"sim"``, ``"live"`` or both.
        seed: of the first replication; replication r has ``seed + r`` (default: the experiment's).
        replications: in every world (default: the experiment's ``seeds`` simulated, ``replications`` live).
        variant: only this one (default: all).

    Raises:
        ConfigError: for what cannot be planned, with what would have been right.
    """
    problems = _problems(experiment, worlds, seed, replications, variant)
    if problems:
        raise ConfigError(experiment.path, problems)
    first = experiment.seed if seed is None else seed
    counts = {"sim": experiment.seeds, "live": experiment.replications}
    return tuple(
        _run(experiment, item, world, first + replication, replication)
        for item in _chosen(experiment, variant)
        for world in worlds
        for replication in range(counts[world] if replications is None else replications)
    )


def _chosen(experiment: Experiment, variant: str | None) -> tuple[Variant, ...]:
    """The variant of that name, or all. Raises KeyError."""
    return tuple(experiment.variants.values()) if variant is None else (experiment.variants[variant],)


def _run(experiment: Experiment, variant: Variant, world: str, seed: int, replication: int) -> Run:
    return Run(
        experiment=experiment.name,
        variant=variant.name,
        world=world,
        seed=seed,
        replication=replication,
        duration_ns=variant.duration_ns,
        warmup_ns=variant.warmup_ns,
        drain_limit_ns=variant.drain_limit_ns,
        wall_limit_ns=variant.wall_limit_ns,
        topology=variant.topology,
        faults=variant.faults,
        claims=variant.claims,
        profile=PROFILE,
        live=variant.live,
    )


def _problems(
    experiment: Experiment, worlds: Sequence[str], seed: int | None, replications: int | None, variant: str | None
) -> list[Problem]:
    found = []
    if not worlds:
        found.append(Problem("world", MISSING, "name sim, live or both"))
    found += [
        Problem("world", world, f"is no world; {did_you_mean(world, ('sim', 'live'))}")
        for world in worlds
        if world not in ("sim", "live")
    ]
    if seed is not None and not 0 <= seed <= 2**53:
        found.append(Problem("seed", seed, f"must be from 0 to {2**53}"))
    if replications is not None and not 1 <= replications <= REPLICATION_LIMIT:
        found.append(Problem("replications", replications, f"must be from 1 to {REPLICATION_LIMIT}"))
    if variant is not None and variant not in experiment.variants:
        found.append(Problem("variant", variant, f"is no variant; {did_you_mean(variant, experiment.variants)}"))
    if not found:
        found += [problem for item in _chosen(experiment, variant) for problem in _without_relay(item)]
    if "live" in worlds and not found:
        found += [problem for item in _chosen(experiment, variant) for problem in _not_live(item)]
    return found


_NO_MULTICAST = (
    "pgm and epgm send to a group of hosts, and over loopback there is one host: "
    'write [live] network = "namespaces", or use --world sim'
)


def _not_live(variant: Variant) -> list[Problem]:
    """What the variant asks of its live network and that cannot do honestly."""
    if variant.live.network == "namespaces":
        return _not_in_namespaces(variant)
    if variant.topology.multicast:
        return [Problem("live.network", variant.live.network, _NO_MULTICAST)]
    return _not_by_relay(variant)


def _not_in_namespaces(variant: Variant) -> list[Problem]:
    """Whoever has only packets in his hands cannot choose a place in a stream, nor end one of its halves."""
    found = []
    relay = 'needs a relay in the stream; write live.network = "proxy", or leave it out'
    for fault in variant.faults:
        if fault.options.get("cut", "anywhere") != "anywhere":
            found.append(Problem(f"fault.{fault.label}.cut", fault.options["cut"], f"to cut there {relay}"))
        if fault.kind in _OF_STREAMS:
            found.append(Problem(f"fault.{fault.label}.kind", fault.kind, relay))
    topology = variant.topology
    cells = topology.cells()
    homes: dict[int, str] = {}
    for link in topology.links:
        home = cells[topology.node_id(link.node)]
        if home in homes:
            why = f"shares a process, and so its network, with {homes[home]}, which has a link, too; leave one out"
            found.append(Problem(f"link.{link.node}", MISSING, why))
        homes.setdefault(home, link.node)
    return found


def _not_by_relay(variant: Variant) -> list[Problem]:
    """A relay passes bytes on, and a byte stream has no packets."""
    found = []
    for what, why in _NO_PACKETS.items():
        links = [(f"link.{link.node}.{what}", getattr(link, what)) for link in variant.topology.links]
        faults = [(f"fault.{fault.label}.{what}", fault.options.get(what)) for fault in variant.faults]
        found += [Problem(path, value, why) for path, value in (*links, *faults) if value]
    return found


def _without_relay(variant: Variant) -> list[Problem]:
    """Faults that only a relay can bring about, where there is none."""
    why = why_none(variant.topology, variant.faults, variant.live)
    faults = [fault for fault in variant.faults if why and fault.kind in ONLY]
    return [
        Problem(f"fault.{fault.label}.kind", fault.kind, f"only a relay can do that, and {why}") for fault in faults
    ]
