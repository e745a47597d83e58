"""What a right file becomes. What becomes of wrong ones: test_broken_configs.py."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import config
from harness.config import ConfigError, Experiment, Problem, document
from harness.run import FaultSpec, Live
from harness.topology import Node

S = 1_000_000_000
Write = Callable[..., Path]

BASE = """
title    = "T"
question = "Q?"
duration = "5s"

[pattern]
kind        = "pubsub"
rate        = "2k/s"
size        = "512B"
subscribers = { fast = 1, slow = 2 }
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "mine.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return write


def node(experiment: Experiment, name: str, variant: str = "plain") -> Node:
    topology = experiment.variants[variant].topology
    return topology.nodes[topology.node_id(name)]


def test_defaults(write: Write) -> None:
    experiment = config.load(write('duration = "5s"\n[pattern]\nkind = "pubsub"\nrate = "2k/s"'))
    assert (experiment.name, experiment.title, experiment.question) == ("mine", "mine", "")
    assert (experiment.duration_ns, experiment.warmup_ns) == (5 * S, 0)
    assert (experiment.drain_limit_ns, experiment.wall_limit_ns) == (10 * S, 65 * S)
    assert (experiment.seed, experiment.seeds, experiment.replications) == (1, 30, 10)
    assert (experiment.claims, experiment.pattern) == ((), "pubsub")
    assert experiment.plain.live == Live(network="proxy")
    assert list(experiment.variants) == ["plain"]
    assert [node.name for node in experiment.plain.topology.nodes] == ["pub", "sub"]


def test_every_key_arrives(write: Write) -> None:
    experiment = config.load(
        write(
            """
title = "T"
question = "Q?"
duration = "5s"
warmup = "1s"
drain = "2s"
wall_limit = "1min"
seed = 7
seeds = 8
replications = 9
exercises = ["hwm_sender", "queueing", "every_receiver"]
[live]
network = "namespaces"
[pattern]
kind = "pipeline"
rate = "2k/s"
size = "1KiB"
transport = "ipc"
workers = { w = 3 }
arrivals = "burst"
burst = 10
"""
        )
    )
    assert (experiment.title, experiment.question) == ("T", "Q?")
    assert (experiment.warmup_ns, experiment.drain_limit_ns, experiment.wall_limit_ns) == (S, 2 * S, 60 * S)
    assert (experiment.seed, experiment.seeds, experiment.replications) == (7, 8, 9)
    assert experiment.claims == ("hwm_sender", "queueing", "every_receiver")
    assert experiment.plain.live == Live(network="namespaces")
    assert experiment.plain.topology.endpoints[0].transport == "ipc"
    assert node(experiment, "ventilator").options == {
        "arrivals": {"kind": "burst", "rate_per_s": 2000.0, "until_ns": 5 * S, "burst": 10, "phase_ns": 0},
        "size_bytes": 1024,
    }


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{ constant = "1ms" }', {"kind": "constant", "mean_ns": 10**6, "sigma": 0.0}),
        ('{ exponential = "1.5ms" }', {"kind": "exponential", "mean_ns": 1_500_000, "sigma": 0.0}),
        ('{ lognormal = { mean = "1ms", sigma = 0.5 } }', {"kind": "lognormal", "mean_ns": 10**6, "sigma": 0.5}),
        ('{ lognormal = { mean = "1ms", sigma = 1 } }', {"kind": "lognormal", "mean_ns": 10**6, "sigma": 1.0}),
    ],
)
def test_service(write: Write, written: str, expected: object) -> None:
    experiment = config.load(write(f"{BASE}[node.fast]\nservice = {written}"))
    assert node(experiment, "fast").options["service"] == expected
    assert "service" not in node(experiment, "slow-1").options


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{ constant = "1k/s" }', {"kind": "constant", "rate_per_s": 1000.0, "until_ns": 5 * S}),
        ('{ poisson = "1k/s", until = "2s" }', {"kind": "poisson", "rate_per_s": 1000.0, "until_ns": 2 * S}),
        (
            '{ burst = { rate = "1k/s", size = 10 }, phase = "1ms" }',
            {"kind": "burst", "rate_per_s": 1000.0, "until_ns": 5 * S, "burst": 10, "phase_ns": 10**6},
        ),
    ],
)
def test_arrivals(write: Write, written: str, expected: object) -> None:
    experiment = config.load(write(f"{BASE}[node.pub]\narrivals = {written}"))
    assert node(experiment, "pub").options["arrivals"] == expected


def test_socket_options_come_as_libzmq_takes_them(write: Write) -> None:
    experiment = config.load(
        write(
            BASE.replace("pubsub", "reqrep").replace("subscribers", "clients")
            + """
[node.fast.options]
sndhwm = 0
rcvhwm = 100
sndbuf = "8KiB"
rcvbuf = "64kB"
sndtimeo = "250ms"
rcvtimeo = "forever"
linger = "0s"
routing_id = "me"
"""
        )
    )
    assert node(experiment, "fast").options["socket"] == {
        "sndhwm": 0,
        "rcvhwm": 100,
        "sndbuf": 8192,
        "rcvbuf": 64000,
        "sndtimeo": 250,
        "rcvtimeo": -1,
        "linger": 0,
        "routing_id": "me",
    }


def test_a_group_is_refined_first_and_its_nodes_after(write: Write) -> None:
    text = f"""{BASE}
[node.slow-2]
start = "1s"
options = {{ rcvhwm = 7 }}
[node.slow]
service = {{ constant = "1ms" }}
options = {{ rcvhwm = 5, linger = "1s" }}
"""
    experiment = config.load(write(text))
    assert node(experiment, "slow-1").options["socket"] == {"rcvhwm": 5, "linger": 1000}
    assert node(experiment, "slow-2").options["socket"] == {"rcvhwm": 7, "linger": 1000}
    assert [node(experiment, f"slow-{number}").start_ns for number in (1, 2)] == [None, S]
    assert all("service" in node(experiment, f"slow-{number}").options for number in (1, 2))


def test_memory_is_limited_by_group_and_by_node(write: Write) -> None:
    experiment = config.load(write(f'{BASE}[node.slow]\nmemory = "64MiB"\n[node.slow-2]\nmemory = "1GiB"'))
    assert [node(experiment, name).memory_limit_bytes for name in ("fast", "slow-1", "slow-2")] == [
        None,
        64 << 20,
        1 << 30,
    ]
    assert experiment.plain.topology.memory_limits() == {(2,): 64 << 20, (3,): 1 << 30}
    over_inproc = config.load(
        write(BASE.replace("[pattern]", '[pattern]\ntransport = "inproc"') + '[node.fast]\nmemory = "2MiB"')
    )
    assert over_inproc.plain.topology.memory_limits() == {(0, 1, 2, 3): 2 << 20}


def test_faults(write: Write) -> None:
    text = f"""{BASE}
[fault.one]
kind = "slow"
node = "slow-1"
at = "1s"
lasts = "2s"
factor = 4
[fault.two]
kind = "slow"
node = "slow-1"
at = "3s"
factor = 0.5
"""
    assert config.load(write(text)).plain.faults == (
        FaultSpec(label="one", kind="slow", options={"node": "slow-1", "at_ns": S, "lasts_ns": 2 * S, "factor": 4.0}),
        FaultSpec(label="two", kind="slow", options={"node": "slow-1", "at_ns": 3 * S, "factor": 0.5}),
    )


def test_variants_are_laid_over_the_base(write: Write) -> None:
    text = f"""{BASE}
[node.fast]
service = {{ constant = "1ms" }}
options = {{ rcvhwm = 5 }}
[variant.plain]
[variant.bigger]
duration = "2s"
exercises = ["queueing"]
node.fast.options.sndhwm = 10000
[variant.other]
node.fast.service = {{ exponential = "1ms" }}
pattern.subscribers.slow = 1
[variant.whole]
pattern = {{ kind = "pipeline", rate = "1/s", workers = {{ fast = 1 }} }}
"""
    experiment = config.load(write(text))
    assert list(experiment.variants) == ["plain", "bigger", "other", "whole"]
    assert (experiment.duration_ns, experiment.variants["bigger"].duration_ns) == (5 * S, 2 * S)
    assert node(experiment, "pub", "bigger").options["arrivals"]["until_ns"] == 2 * S
    assert experiment.variants["bigger"].claims == ("queueing",)
    assert node(experiment, "fast").options["socket"] == {"rcvhwm": 5}
    assert node(experiment, "fast", "bigger").options["socket"] == {"rcvhwm": 5, "sndhwm": 10000}
    assert node(experiment, "fast", "other").options["service"]["kind"] == "exponential"
    assert [node.name for node in experiment.variants["other"].topology.nodes] == ["pub", "fast", "slow"]
    assert [node.name for node in experiment.variants["whole"].topology.nodes] == ["ventilator", "fast"]


def test_plain_comes_first_and_may_differ_from_the_base(write: Write) -> None:
    experiment = config.load(write(f'{BASE}[variant.b]\n[variant.plain]\nduration = "1s"'))
    assert list(experiment.variants) == ["plain", "b"]
    assert [variant.duration_ns for variant in experiment.variants.values()] == [S, 5 * S]


def test_overrides(write: Write) -> None:
    overrides = [
        "duration=2s",
        "pattern.rate = 1k/s",
        "node.slow.service.exponential=1ms",
        "node.slow.options.rcvhwm=7",
        'exercises=["queueing"]',
        "title=a = b",
        "variant.fresh.node.pub.options.sndhwm=3",
        "seeds=4",
    ]
    experiment = config.load(write(f'{BASE}[node.slow]\nservice = {{ constant = "9ms" }}'), overrides)
    assert (experiment.duration_ns, experiment.seeds, experiment.title) == (2 * S, 4, "a = b")
    assert experiment.claims == ("queueing",)
    assert node(experiment, "pub").options["arrivals"]["rate_per_s"] == 1000.0
    assert node(experiment, "slow-1").options["service"] == {"kind": "exponential", "mean_ns": 10**6, "sigma": 0.0}
    assert node(experiment, "slow-2").options["socket"] == {"rcvhwm": 7}
    assert node(experiment, "pub", "fresh").options["socket"] == {"sndhwm": 3}


def test_multicast_has_options_of_its_own(write: Write) -> None:
    options = 'rate = "10Mbit/s", recovery_ivl = "200ms", multicast_hops = 2, multicast_maxtpdu = "1400B"'
    text = BASE.replace("[pattern]", '[pattern]\ntransport = "epgm"')
    experiment = config.load(write(f"{text}[node.pub]\noptions = {{ {options} }}\n[link.slow]\nloss = 0.01"))
    assert node(experiment, "pub").options["socket"] == {
        "rate": 10_000,
        "recovery_ivl": 200,
        "multicast_hops": 2,
        "multicast_maxtpdu": 1400,
    }
    topology = experiment.variants["plain"].topology
    assert topology.multicast
    assert [link.node for link in topology.links] == ["slow-1", "slow-2"]


def test_a_later_override_wins(write: Write) -> None:
    assert config.load(write(BASE), ["duration=2s", "duration=3s"]).duration_ns == 3 * S


def test_a_file_from_another_editor_is_read(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "dos.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    assert config.load(path).plain == config.load(write(BASE)).plain


OWN_PROGRAM = """
from dataclasses import dataclass, field
from typing import Any, Mapping

from harness.load import Arrivals, Service

open("evidence", "w").write("a check has run me")


@dataclass(frozen=True)
class Options:
    arrivals: Arrivals
    depth: int
    think: Service = field(default_factory=Service)
    limit_ns: int = 0
    size_bytes: int = 32
    label: str = "x"
    gain: float = 1.0
    loud: bool = False
    socket: Mapping[str, Any] = field(default_factory=dict)


def source(node, options: Options):
    pass


def sink(node, options):
    pass
"""

OWN = """
duration = "5s"
[node.source]
program = "mine.py:source"
arrivals = { poisson = "1k/s" }
depth = -3
think = { constant = "1ms" }
limit = "10ms"
size = "64B"
gain = -0.5
loud = true
options = { sndhwm = 5 }
[node.sink]
program = "mine.py:sink"
count = 2
start = "1s"
anything = { goes = [1, "two"] }
[endpoint.data]
transport = "tcp"
binder = "source"
binder_type = "PUSH"
connecters = ["sink"]
connecter_type = "PULL"
[flow.data]
senders = ["source"]
receivers = ["sink"]
delivery = "one"
endpoint = "data"
"""


def test_a_topology_of_ones_own(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = write(OWN_PROGRAM, "mine.py")
    experiment = config.load(write(OWN, "own.toml"))
    topology = experiment.plain.topology
    assert [node.name for node in topology.nodes] == ["source", "sink-1", "sink-2"]
    assert node(experiment, "source").program == f"{program.resolve()}:source"
    assert node(experiment, "source").options == {
        "socket": {"sndhwm": 5},
        "arrivals": {"kind": "poisson", "rate_per_s": 1000.0, "until_ns": 5 * S},
        "depth": -3,
        "think": {"kind": "constant", "mean_ns": 10**6, "sigma": 0.0},
        "limit_ns": 10_000_000,
        "size_bytes": 64,
        "gain": -0.5,
        "loud": True,
    }
    assert node(experiment, "sink-2").options == {"anything": {"goes": [1, "two"]}}
    assert node(experiment, "sink-2").start_ns == S
    assert topology.endpoints[0].connecters == ("sink-1", "sink-2")
    assert topology.flows[0].receivers == ("sink-1", "sink-2")
    assert experiment.pattern is None
    assert experiment.programs == (f"{program.resolve()}:source", f"{program.resolve()}:sink")


def test_reading_a_file_runs_no_program_of_the_user(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(OWN_PROGRAM, "mine.py")
    package = tmp_path / "theirs"
    package.mkdir()
    (package / "__init__.py").write_text(OWN_PROGRAM)
    (package / "inner.py").write_text(OWN_PROGRAM)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    config.load(write(OWN, "own.toml"))
    config.load(write(OWN.replace("mine.py:sink", "theirs.inner:sink"), "own.toml"))
    assert not (tmp_path / "evidence").exists()
    assert "theirs" not in sys.modules


def test_programs_of_the_harness_can_be_wired_anew(write: Write) -> None:
    text = (
        OWN.replace("mine.py:source", "harness.patterns.pipeline:ventilator")
        .replace("mine.py:sink", "harness.patterns.pipeline:worker")
        .replace('depth = -3\nthink = { constant = "1ms" }\nlimit = "10ms"\n', "")
        .replace("gain = -0.5\nloud = true\n", "")
        .replace('anything = { goes = [1, "two"] }', 'service = { constant = "1ms" }')
    )
    experiment = config.load(write(text))
    assert experiment.programs == ()
    assert node(experiment, "sink-1").options["service"]["mean_ns"] == 10**6


def test_a_broker_may_stand_between_sender_and_receiver(write: Write) -> None:
    write("def a(node, options): pass\n", "mine.py")
    text = """
duration = "1s"
node = { a = { program = "mine.py:a" }, b = { program = "mine.py:a" }, c = { program = "mine.py:a" } }
[endpoint.front]
transport = "tcp"
binder = "b"
binder_type = "XSUB"
connecters = ["a"]
connecter_type = "PUB"
[endpoint.back]
transport = "ipc"
binder = "b"
binder_type = "XPUB"
connecters = ["c"]
connecter_type = "SUB"
[flow.news]
senders = ["a"]
receivers = ["c"]
delivery = "all"
endpoint = "front"
"""
    assert config.load(write(text)).plain.topology.flows[0].receivers == ("c",)


def test_all_problems_are_said_at_once(write: Write) -> None:
    text = """
titel = "T"
duration = "10"
seeds = 0
exercises = ["hwm"]
[pattern]
kind = "pubsub"
rate = 2000
size = "8"
subscribers = { fast = 1 }
[node.fats]
[node.fast]
servise = { constant = "1ms" }
service = { constant = "1" }
options = { rcvhwm = -1 }
[fault.f]
kind = "slow"
node = "fst"
at = "1s"
[variant.v]
node.pub.options.sndhwm = -5
"""
    with pytest.raises(ConfigError) as caught:
        config.load(write(text))
    keys = [problem.key for problem in caught.value.problems]
    assert keys == [
        "titel",
        "seeds",
        "duration",
        "pattern.rate",
        "pattern.size",
        "node.fast.options.rcvhwm",
        "node.fast.servise",
        "node.fast.service.constant",
        "node.fats",
        "fault.f.factor",
        "fault.f.node",
        "exercises",
        "variant.v.node.pub.options.sndhwm",
    ]
    lines = str(caught.value).splitlines()
    assert len(lines) == len(keys)
    assert all(line.startswith(str(caught.value.path)) for line in lines)


def test_problems_are_values() -> None:
    problem = Problem("a.b", 5, "must be a text")
    assert str(problem) == "a.b = 5: must be a text"
    error = ConfigError("x.toml", [problem])
    assert (error.path, error.problems) == ("x.toml", (problem,))
    assert str(error) == "x.toml: a.b = 5: must be a text"


tables = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4), max_leaves=12
).filter(lambda value: isinstance(value, dict))


@given(tables, tables)
@settings(max_examples=100)
def test_merging_keeps_its_arguments_and_all_that_is_on_top(base: dict, over: dict) -> None:  # type: ignore[type-arg]
    before = repr((base, over))
    merged = document.merge(base, over)
    assert repr((base, over)) == before
    assert set(merged) == {*base, *over}
    assert document.merge(merged, over) == merged, "once is enough"
    assert document.merge({}, over) == over
    assert document.merge(base, {}) == base


def test_what_is_wrong_only_together_with_a_variant_names_the_variant(write: Write) -> None:
    text = f"""{BASE}
[node.slow-2]
start = "1s"
[variant.smaller]
pattern.subscribers.slow = 1
"""
    with pytest.raises(ConfigError) as caught:
        config.load(write(text))
    (problem,) = caught.value.problems
    assert problem.key == "node.slow-2"
    assert problem.message.endswith("(in variant smaller)")
