"""What an observer would conclude of faults that no experiment of the house has, held against the truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import config, plan
from harness.ledger import Ledger
from harness.ledger.inference import BREAK_CAUSES, JOIN_CAUSES

from .runs import judged

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


def fault(label: str, kind: str, whom: str, at: str, lasts: str = "") -> str:
    key = "node" if kind == "crash" else "link"
    return f'fault.{label}={{kind="{kind}", {key}="{whom}", at="{at}"{lasts and f", lasts={lasts!r}"}}}'


def patient(timeout: str) -> str:
    return f'node.client.options={{rcvtimeo="{timeout}", req_relaxed=true, req_correlate=true}}'


def outcome(name: str, overrides: tuple[str, ...]) -> tuple[Ledger, int, int, int]:
    """The ledger of one simulated run; how many losses were told rightly, wrongly, and not at all."""
    experiment = config.load(EXPERIMENTS / f"{name}.toml", overrides)
    (run,) = plan.plan(experiment, ["sim"], seed=100, replications=1, variant="plain")
    _, ledger, checks = judged(run)
    assert [law for law in checks.laws if law.state == "invalid"] == []
    right = wrong = untold = 0
    for row in ledger.messages.select(["fate", "cause", "inferred"]).to_pylist():
        if row["inferred"] is not None:
            same = alike(row["inferred"]) == alike(row["cause"] or row["fate"])
            right, wrong = right + same, wrong + (not same)
        elif row["fate"] == "lost":
            untold += 1
    return ledger, right, wrong, untold


def alike(cause: str) -> str:
    """The first of those causes that nobody outside can tell apart."""
    return next((causes[0] for causes in (JOIN_CAUSES, BREAK_CAUSES) if cause in causes), cause)


AT_WORK = {
    "a worker is cut off": ("worker-pool", fault("x", "reset", "slow", "2s")),
    "its stream ends": ("worker-pool", fault("x", "half_close", "slow", "2s")),
    "a worker dies": ("worker-pool", fault("x", "crash", "slow", "2s", "300ms")),
    "a worker dies for good": ("worker-pool", fault("x", "crash", "slow", "2s")),
    "the ventilator dies": ("worker-pool", fault("x", "crash", "ventilator", "2s", "300ms")),
    "one dies, and another is cut off": (
        "worker-pool",
        fault("x", "crash", "slow", "2s", "300ms"),
        fault("y", "reset", "medium", "2s"),
    ),
    "one is cut off before another dies": ("worker-crash", fault("y", "reset", "steady-1", "1s")),
    "clients and then the server die": (
        "request-reply",
        fault("x", "crash", "client-1", "2s", "300ms"),
        fault("y", "crash", "server", "3s"),
    ),
    "a server is silent, and given up": (
        "request-reply",
        fault("x", "blackhole", "server", "2s", "500ms"),
        'node.server.options={heartbeat_ivl="100ms", heartbeat_timeout="200ms"}',
    ),
    "a server is cut off, and dies": ("server-crash", patient("200ms"), fault("y", "reset", "server", "1s")),
    "clients give up too early": ("server-crash", patient("10ms")),
}


@pytest.mark.parametrize("what", AT_WORK)
def test_whatever_pipelines_and_servers_lose_has_its_cause(what: str) -> None:
    name, *overrides = AT_WORK[what]
    _, right, wrong, untold = outcome(name, tuple(overrides))
    assert untold == 0
    # At a break a handful more or less is on the wrong side of it.
    assert wrong <= max(3, 0.02 * right), (right, wrong)
    assert right + wrong > 0


@pytest.mark.parametrize(
    ("name", "override", "cause"),
    [
        ("slow-subscriber", fault("x", "crash", "pub", "2s", "300ms"), "crash_unsent"),
        ("slow-network", fault("x", "crash", "pub", "2s", "300ms"), "crash_unsent"),
        ("slow-network", fault("x", "reset", "far", "2s"), "disconnect_pipe"),
    ],
)
def test_what_a_full_pipe_had_taken_is_told_from_what_it_had_refused(name: str, override: str, cause: str) -> None:
    ledger, right, wrong, untold = outcome(name, (override,))
    assert ledger.lost[cause] > 30
    assert ledger.lost["hwm_sender"] > 100
    assert untold == 0
    assert wrong <= 0.01 * right, (right, wrong)


DIRECT = 'live.network="namespaces"'
"""Without a relay, which is full sooner."""


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("slow-subscriber", (fault("x", "crash", "slow", "2s", "300ms"),)),
        ("slow-network", (DIRECT, fault("x", "reset", "far", "2s"))),
        ("slow-network", (DIRECT, fault("x", "crash", "pub", "2s", "300ms"))),
    ],
)
def test_what_came_when_the_pipe_may_have_been_full_stays_open_if_nothing_shows_it(
    name: str, overrides: tuple[str, ...]
) -> None:
    _, right, wrong, untold = outcome(name, overrides)
    assert untold > 100
    assert right > 200
    assert wrong <= 0.01 * right, (right, wrong)
