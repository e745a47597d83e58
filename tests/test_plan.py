from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import config
from harness.config import ConfigError, Experiment
from harness.plan import plan
from harness.run import FaultSpec, Live, Run, from_plain
from harness.topology import Endpoint, Flow, Link, Node, Topology

ROOT = Path(__file__).resolve().parent.parent
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.toml"))


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return config.load(ROOT / "experiments" / "slow-subscriber.toml")


def test_one_run_a_variant_world_and_replication(experiment: Experiment) -> None:
    runs = plan(experiment, ["sim", "live"])
    assert len(runs) == 5 * (30 + 10)
    key = [(run.variant, run.world, run.replication) for run in runs]
    assert key == [
        (variant, world, replication)
        for variant in ("plain", "bigger", "snail", "newest", "nodrop")
        for world, count in (("sim", 30), ("live", 10))
        for replication in range(count)
    ]
    assert all(run.seed == 1 + run.replication for run in runs)
    assert {run.profile for run in runs} == {"default"}


def test_seed_replications_and_variant_can_be_given(experiment: Experiment) -> None:
    runs = plan(experiment, ["sim"], seed=100, replications=3, variant="bigger")
    assert [(run.variant, run.seed, run.replication) for run in runs] == [
        ("bigger", 100, 0),
        ("bigger", 101, 1),
        ("bigger", 102, 2),
    ]


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_runs_round_trip_to_the_same_id(path: Path) -> None:
    for run in plan(config.load(path), ["sim", "live"]):
        again = from_plain(json.loads(json.dumps(run.plain())))
        assert again == run
        assert again.id == run.id


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_no_two_runs_have_one_id(path: Path) -> None:
    ids = [run.id for run in plan(config.load(path), ["sim", "live"])]
    assert len(ids) == len(dict.fromkeys(ids))


@pytest.mark.parametrize(
    "override",
    [
        "duration=4s",
        "warmup=1s",
        "drain=1s",
        "wall_limit=2min",
        'exercises=["queueing"]',
        "pattern.rate=999/s",
        "pattern.size=1kB",
        "pattern.transport=ipc",
        "pattern.subscribers.fast=2",
        "pattern.arrivals=poisson",
        "node.pub.options.sndhwm=101",
        "node.slow.options.rcvbuf=9KiB",
        "node.slow.service.constant=401us",
        "node.slow.service={ exponential = '400us' }",
        "node.slow.start=1ms",
        "fault.slowdown.at=1001ms",
        "fault.slowdown.factor=10.5",
        "fault.slowdown.node=fast",
    ],
)
def test_whatever_differs_changes_the_id(experiment: Experiment, override: str) -> None:
    changed = config.load(experiment.path, [override])
    for world in ("sim", "live"):
        (before,) = plan(experiment, [world], replications=1, variant="plain")
        (after,) = plan(changed, [world], replications=1, variant="plain")
        assert before.id != after.id


def test_every_field_of_a_run_is_part_of_its_id(experiment: Experiment) -> None:
    (run,) = plan(experiment, ["sim"], replications=1, variant="plain")
    for field in dataclasses.fields(Run):
        value = getattr(run, field.name)
        other = {str: "x", int: -1, tuple: ()}.get(type(value), BUILT)
        assert dataclasses.replace(run, **{field.name: other}).id != run.id, field.name


@pytest.mark.parametrize("what", ["loss", "reorder", "duplicate"])
def test_what_happens_to_packets_is_refused_where_a_link_passes_bytes_on(experiment: Experiment, what: str) -> None:
    changed = config.load(experiment.path, [f'link.slow={{ delay = "1ms", {what} = 0.1 }}'])
    plan(changed, ["sim"], replications=1)
    with pytest.raises(ConfigError, match=rf"link\.slow\.{what} = 0.1: a link's relay passes a byte stream on"):
        plan(changed, ["live"], replications=1)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ('kind = "half_close"', r'fault\.f\.kind = "half_close": needs a relay in the stream'),
        ('kind = "reset"\ncut = "inside"', r'fault\.f\.cut = "inside": to cut there needs a relay in the stream'),
    ],
)
def test_what_a_network_of_namespaces_cannot_do_is_said(tmp_path: Path, fault: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'duration = "5s"\n[live]\nnetwork = "namespaces"\n[pattern]\nkind = "pubsub"\nrate = "10/s"\n'
        f'[fault.f]\nlink = "sub"\nat = "1s"\n{fault}\n'
    )
    with pytest.raises(ConfigError, match=message):
        plan(config.load(path), ["live"])
    assert plan(config.load(path), ["sim"])
    assert plan(config.load(path, ["live.network=proxy"]), ["live"])


def test_two_links_of_one_process_are_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        """
        duration = "5s"
        live.network = "namespaces"
        [node]
        a.program = "mine.py:a"
        b.program = "mine.py:b"
        c.program = "mine.py:c"
        [endpoint.inside]
        transport = "inproc"
        binder = "a"
        binder_type = "PUSH"
        connecters = ["b"]
        connecter_type = "PULL"
        [endpoint.outside]
        transport = "tcp"
        binder = "c"
        binder_type = "PUSH"
        connecters = ["a", "b"]
        connecter_type = "PULL"
        [flow.work]
        senders = ["a"]
        receivers = ["b"]
        delivery = "one"
        endpoint = "inside"
        [link.a]
        [link.b]
        """
    )
    (tmp_path / "mine.py").write_text(
        "def a(node, options): ...\ndef b(node, options): ...\ndef c(node, options): ...\n"
    )
    with pytest.raises(ConfigError, match=r"link\.b: shares a process, and so its network, with a, which has a link"):
        plan(config.load(path), ["live"])


def test_title_and_question_do_not_change_the_id(experiment: Experiment) -> None:
    changed = config.load(experiment.path, ["title=other", "question=other", "seeds=5"])
    assert plan(changed, ["sim"], replications=1)[0].id == plan(experiment, ["sim"], replications=1)[0].id


BUILT = Topology(nodes=(Node(name="a", group="a", program="m:f"),), endpoints=(), flows=())

names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
plain = st.recursive(
    st.integers(-(2**53), 2**53) | st.text(max_size=9) | st.booleans() | st.floats(-1e9, 1e9),
    lambda inner: st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
nodes = st.builds(
    Node,
    name=names,
    group=names,
    program=names,
    options=st.dictionaries(names, plain, max_size=3),
    start_ns=st.none() | st.integers(0, 10**12),
)
some_names = st.lists(names, max_size=3).map(tuple)
topologies = st.builds(
    Topology,
    nodes=st.lists(nodes, max_size=3).map(tuple),
    endpoints=st.lists(st.builds(Endpoint, connecters=some_names, binder=names, name=names), max_size=2).map(tuple),
    flows=st.lists(st.builds(Flow, senders=some_names, receivers=some_names, name=names), max_size=2).map(tuple),
)
runs = st.builds(
    Run,
    topology=topologies,
    faults=st.lists(st.builds(FaultSpec, options=st.dictionaries(names, plain, max_size=3)), max_size=2).map(tuple),
    claims=some_names,
)


@given(runs)
@settings(max_examples=60, deadline=None)
def test_any_run_round_trips(run: Run) -> None:
    again = from_plain(json.loads(json.dumps(run.plain())))
    assert again == run
    assert again.id == run.id


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"worlds": []}, ["world", "sim, live or both"]),
        ({"worlds": ["life"]}, ["world", '"life"', 'did you mean "live"']),
        ({"worlds": ["sim"], "seed": -1}, ["seed = -1", "from 0"]),
        ({"worlds": ["sim"], "replications": 0}, ["replications = 0", "from 1 to 1000"]),
        ({"worlds": ["sim"], "replications": 10**9}, ["replications", "from 1 to 1000"]),
        ({"worlds": ["sim"], "variant": "biger"}, ["variant", '"biger"', 'did you mean "bigger"']),
    ],
)
def test_what_cannot_be_planned_is_said(experiment: Experiment, arguments: dict, words: list[str]) -> None:  # type: ignore[type-arg]
    with pytest.raises(ConfigError) as caught:
        plan(experiment, **arguments)
    for word in ["slow-subscriber.toml", *words]:
        assert word in str(caught.value)


def test_the_shipped_experiments_say_what_they_show() -> None:
    assert {path.stem for path in EXPERIMENTS} >= {"slow-subscriber", "late-joiner", "worker-pool", "request-reply"}
    for path in EXPERIMENTS:
        text = path.read_text()
        assert text.startswith("# "), path
        assert {"title", "question", "exercises"} <= tomllib.loads(text).keys(), path
        assert config.load(path).duration_ns <= 6_000_000_000, path


@pytest.mark.parametrize("kind", ["limit_data", "slow_close", "hold"])
@pytest.mark.parametrize(
    ("live", "link", "why"), [(Live(network="namespaces"), {}, "in this network"), (Live(), {"loss": 0.1}, "with loss")]
)
def test_what_only_a_relay_can_do_needs_one(
    experiment: Experiment, kind: str, live: Live, link: dict[str, float], why: str
) -> None:
    plain = experiment.variants["plain"]
    topology = dataclasses.replace(plain.topology, links=(Link(node="slow", **link),))  # type: ignore[arg-type]
    faults = (FaultSpec(label="f", kind=kind, options={"link": "slow", "at_ns": 1}),)
    changed = dataclasses.replace(plain, topology=topology, faults=faults, live=live)
    with pytest.raises(ConfigError, match=f'fault.f.kind = "{kind}": only a relay can do that.*{why}'):
        plan(dataclasses.replace(experiment, variants={"plain": changed}), ["sim"])


def test_beside_multicast_there_is_no_relay(experiment: Experiment) -> None:
    """Though the link itself is that of a node with connections."""
    plain = experiment.variants["plain"]
    group = dataclasses.replace(plain.topology.endpoints[0], name="group", transport="epgm")
    links = (Link(node="slow"),)
    topology = dataclasses.replace(plain.topology, links=links, endpoints=(*plain.topology.endpoints, group))
    faults = (FaultSpec(label="f", kind="hold", options={"link": "slow", "at_ns": 1}),)
    changed = dataclasses.replace(plain, topology=topology, faults=faults)
    with pytest.raises(ConfigError, match=r"only a relay can do that.*beside pgm and epgm"):
        plan(dataclasses.replace(experiment, variants={"plain": changed}), ["sim"])
