"""Every remedy in the simulation: it does what it is for, and its programs are plain ones of either world."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest

from harness import config, kinds, plan, remedies
from harness.config import named
from harness.ledger import Ledger
from harness.remedies import MisfitError, heartbeat
from harness.run import load_program
from harness.topology import Topology
from tests import gallery

from .runs import EXPERIMENTS, MS, S, judged, run_of

SHOWN = {
    "conflate": ("slow-subscriber", "newest"),
    "heartbeat": ("drop-off", "heartbeats"),
    "immediate": ("server-crash", "immediate"),
    "lazy_pirate": ("server-crash", "pirate"),
    "nodrop": ("slow-subscriber", "nodrop"),
    "suicidal_snail": ("slow-subscriber", "snail"),
}
"""Which variant of which experiment shows a remedy."""


def applied(kind: str, topology: Topology, **options: Any) -> Topology:
    module: Any = kinds.load(remedies.__name__, kind)
    changed: Topology = module.apply(topology, module.Options(**options))
    return changed


def options_of(topology: Topology, name: str) -> dict[str, Any]:
    return dict(topology.node(name).socket_options)


def played(name: str, variant: str, *overrides: str, but: str = "") -> Ledger:
    """The ledger of one run that keeps all laws, but perhaps one, and reaches what it claims."""
    experiment = config.load(EXPERIMENTS / f"{name}.toml", overrides)
    (run,) = plan.plan(experiment, ["sim"], seed=100, replications=1, variant=variant)
    _, ledger, checks = judged(run)
    assert [(law.name, law.detail) for law in checks.laws if law.state == "invalid" and law.name != but] == []
    assert checks.vacuous == ()
    return ledger


def rows(ledger: Ledger, receiver: str) -> list[dict[str, Any]]:
    return [row for row in ledger.messages.to_pylist() if row["receiver"] == receiver]


def lost(ledger: Ledger, receiver: str) -> Counter[str]:
    return Counter(row["cause"] for row in rows(ledger, receiver) if row["fate"] == "lost")


def told(ledger: Ledger, cause: str) -> Counter[str]:
    """What an observer takes for the cause of those losses."""
    return Counter(row["inferred"] for row in ledger.messages.to_pylist() if row["cause"] == cause)


def oldest_ns(ledger: Ledger, receiver: str) -> int:
    """The greatest age of a message when it was received."""
    found = [row["received_ns"] - row["sent_ns"] for row in rows(ledger, receiver) if row["fate"] == "delivered"]
    return int(max(found))


def marked(ledger: Ledger, name: str) -> int:
    """How often a program noted this moment."""
    return sum(each == name for each in ledger.events["name"].to_pylist())


def test_every_remedy_is_shown() -> None:
    assert sorted(SHOWN) == list(remedies.names())
    for kind, (name, variant) in SHOWN.items():
        document = tomllib.loads((EXPERIMENTS / f"{name}.toml").read_text("utf-8"))
        assert kind in [each["kind"] for each in document["variant"][variant]["remedy"].values()]


# -- options of sockets ------------------------------------------------------------------------------------------------


def test_heartbeats_are_set_where_a_connection_can_be_silent() -> None:
    topology = applied("heartbeat", gallery.build("pubsub", S), interval_ns=50 * MS, timeout_ns=90 * MS)
    for node in topology.nodes:
        assert options_of(topology, node.name) == {"heartbeat_ivl": 50, "heartbeat_timeout": 90}
    with pytest.raises(MisfitError, match="does not fit here: it is for nodes with endpoints over tcp or ipc"):
        applied("heartbeat", gallery.build("pubsub", S, transport="inproc"))
    with pytest.raises(MisfitError, match="whole milliseconds") as told:
        applied("heartbeat", gallery.build("pubsub", S), timeout_ns=MS // 2)
    assert told.value.option == "timeout"


@pytest.mark.parametrize("kind", [kind for kind in gallery.KINDS if kind != "pair"])
def test_a_run_with_heartbeats_comes_to_rest(kind: str) -> None:
    """They never end: what is still under way decides, so no pattern may leave anything unread."""
    trace, ledger, checks = judged(run_of(applied("heartbeat", gallery.build(kind, S)), duration_ns=S))
    assert trace.limits_hit == ()
    assert checks.verdict == "valid"
    assert ledger.delivered == ledger.expected


def test_a_silence_is_noticed_only_with_heartbeats() -> None:
    times = ("duration=2s", "variant.heartbeats.fault.silence.at=300ms", "variant.heartbeats.fault.silence.lasts=1s")
    without = ("fault.cut.at=1500ms", "fault.away.at=1901ms", "fault.away.lasts=1ms", "fault.again.at=1902ms")
    beating = played("drop-off", "heartbeats", *times, *without)
    assert 400 < lost(beating, "shaky")["no_peer"] + lost(beating, "shaky")["disconnect_wire"] < 800
    silence = 'variant.plain.fault={ silence={ kind="blackhole", link="shaky", at="300ms", lasts="1s" } }'
    # Of so few losses the two that the publisher was late to notice are too great a share for the inference.
    deaf = played("drop-off", "plain", *times, *without, silence, but="inference")
    assert sum(lost(deaf, "shaky").values()) < 200
    assert oldest_ns(deaf, "shaky") > 900 * MS, "it all came, and late"
    assert oldest_ns(beating, "shaky") < 100 * MS


def test_immediate_is_for_who_connects_and_waits() -> None:
    topology = applied("immediate", gallery.build("fan", S))
    assert [node.name for node in topology.nodes if node.socket_options.get("immediate")] == ["worker-1", "worker-2"]
    with pytest.raises(MisfitError, match="that connect a PUSH, REQ, DEALER"):
        applied("immediate", gallery.build("pipeline", S))


def test_with_immediate_nothing_waits_for_a_server_that_is_away() -> None:
    """Requests that were given up are then not sent at all while it is away, and need not be answered later."""
    shorter = ("duration=2s", "fault.crash.at=500ms", "fault.crash.lasts=800ms")
    late = lost(played("server-crash", "relaxed", *shorter), "client-1")["late_reply"]
    sent_at_once = lost(played("server-crash", "immediate", *shorter), "client-1")["late_reply"]
    assert sent_at_once < late


def test_nodrop_loses_nothing_and_all_wait() -> None:
    shorter = ("duration=2s", "fault.slowdown.at=700ms", "fault.slowdown.lasts=800ms")
    plain, waiting = (played("slow-subscriber", variant, *shorter) for variant in ("plain", "nodrop"))
    assert lost(plain, "slow")["hwm_sender"] > 100
    assert sum(waiting.lost.values()) == 0
    assert oldest_ns(plain, "fast") < 10 * MS
    sent = [row["sent_ns"] - row["intended_ns"] for row in rows(waiting, "fast")]
    assert max(sent) > 100 * MS


def test_conflate_keeps_the_newest() -> None:
    ledger = played("slow-subscriber", "newest", "duration=2s", "fault.slowdown.at=700ms", "fault.slowdown.lasts=800ms")
    assert set(lost(ledger, "slow")) == {"conflated"}
    assert sum(lost(ledger, "fast").values()) == 0
    assert oldest_ns(ledger, "slow") < 20 * MS, "one is worked on, one waits, and some are on their way"
    found = Counter(row["inferred"] for row in rows(ledger, "slow") if row["fate"] == "lost")
    assert set(found) == {"conflated"}
    for topics in (("a-1", "a-2"), ("a-2",)):
        with pytest.raises(MisfitError, match="at a PUB without topics"):
            applied("conflate", gallery.build("topics", S, topics=topics))


# -- programs ----------------------------------------------------------------------------------------------------------


def test_a_pirate_goes_on_after_the_server_has_crashed() -> None:
    plain, pirate = (played("server-crash", variant, "duration=3s") for variant in ("plain", "pirate"))
    received = {
        name: sum(row["fate"] == "delivered" for row in rows(pirate, name)) for name in ("client-1", "client-4")
    }
    for name, count in received.items():
        assert count > 1.5 * sum(row["fate"] == "delivered" for row in rows(plain, name))
    assert marked(pirate, "asks again") >= 8
    assert marked(pirate, "gives up") == 0
    assert pirate.lost["linger"] > 0, "what was asked while nobody was there left with its socket"
    assert told(pirate, "linger") == {"linger": pirate.lost["linger"]}


def test_a_pirate_gives_up_in_the_end() -> None:
    stays_away = (
        "duration=2s",
        "fault.crash.at=300ms",
        "fault.crash.lasts=10s",
        "variant.pirate.remedy.pirate.retries=2",
    )
    ledger = played("server-crash", "pirate", *stays_away)
    assert marked(ledger, "gives up") == 4
    assert marked(ledger, "asks again") == 8
    assert max(row["sent_ns"] for row in ledger.messages.to_pylist()) < 1000 * MS


def test_a_snail_leaves_before_its_news_are_old() -> None:
    shorter = ("duration=2s", "fault.slowdown.at=700ms", "fault.slowdown.lasts=800ms")
    plain, snail = (played("slow-subscriber", variant, *shorter) for variant in ("plain", "snail"))
    assert oldest_ns(plain, "slow") > 300 * MS
    assert oldest_ns(snail, "slow") < 60 * MS
    assert marked(snail, "is too late") >= 2
    assert {"no_peer", "close_unread"} <= set(lost(snail, "slow"))
    assert set(told(snail, "close_unread")) == {"close_unread"}
    assert set(told(snail, "no_peer")) == {"no_peer"}
    assert sum(lost(snail, "fast").values()) == 0


def test_a_snail_may_stay_away() -> None:
    for_good = ("duration=2s", "fault.slowdown.at=500ms", "variant.snail.remedy.snail.back_after=0ms")
    ledger = played("slow-subscriber", "snail", *for_good)
    assert marked(ledger, "is too late") == 1
    assert max(row["received_ns"] for row in rows(ledger, "slow") if row["fate"] == "delivered") < 700 * MS


@pytest.mark.parametrize("kind", ["proxy", "load_balancer", "reqrep"])
def test_a_pirate_fits_wherever_a_req_asks(kind: str) -> None:
    before = gallery.build(kind, S)
    after = applied("lazy_pirate", before, retries=1)
    for node in after.nodes:
        function, options = load_program(node.program)
        assert options is not None
        assert set(node.options) <= {field.name for field in fields(options)}
        assert (function.__module__ == "harness.remedies.lazy_pirate") == (node.group == "client")
    with pytest.raises(MisfitError, match="no pattern's"):
        applied("lazy_pirate", after)


@pytest.mark.parametrize("kind", ["pubsub", "topics", "forwarder"])
def test_a_snail_fits_wherever_a_sub_listens(kind: str) -> None:
    after = applied("suicidal_snail", gallery.build(kind, S))
    assert any(node.program.startswith("harness.remedies.") for node in after.nodes)


@pytest.mark.parametrize(("remedy", "pattern"), [("lazy_pirate", "pubsub"), ("suicidal_snail", "synchronised")])
def test_a_program_is_refused_where_it_does_not_fit(remedy: str, pattern: str) -> None:
    with pytest.raises(MisfitError, match="their only socket"):
        applied(remedy, gallery.build(pattern, S))


# -- in an experiment --------------------------------------------------------------------------------------------------


def test_what_an_experiment_says_of_a_node_comes_last() -> None:
    overrides = (
        'remedy={ beat={ kind="heartbeat", interval="30ms" }, pirate={ kind="lazy_pirate" } }',
        'node.client={ timeout="70ms", options={ heartbeat_ivl="20ms" } }',
    )
    topology = config.load(EXPERIMENTS / "server-crash.toml", overrides).plain.topology
    assert topology.node("client-1").options["timeout_ns"] == 70 * MS
    assert topology.node("client-1").options["retries"] == 3
    assert options_of(topology, "client-1")["heartbeat_ivl"] == 20
    assert options_of(topology, "server")["heartbeat_ivl"] == 30


def test_a_node_that_a_remedy_adds_can_be_refined(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_spare(topology: Topology, options: heartbeat.Options) -> Topology:
        spare = replace(topology.node("server"), name="spare", group="spare")
        return replace(topology, nodes=(*topology.nodes, spare))

    adding = SimpleNamespace(Options=heartbeat.Options, apply=with_spare)
    monkeypatch.setattr(named, "module_of", lambda *_: adding)
    overrides = ('remedy={ one={ kind="spare" } }', 'node.spare={ service={ constant="7ms" } }')
    spare = config.load(EXPERIMENTS / "request-reply.toml", overrides).plain.topology.node("spare")
    assert spare.options["service"]["mean_ns"] == 7 * MS
