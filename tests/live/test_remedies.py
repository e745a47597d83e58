"""Every remedy on real sockets, for a moment: the same programs and options as in the simulation."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.ledger import Ledger

from .runs import of_experiment

pytestmark = pytest.mark.live

SLOW = ("duration=1500ms", "warmup=0s", "fault.slowdown.at=300ms", "fault.slowdown.lasts=900ms")
DROPS = (
    "duration=1500ms",
    "fault.cut.at=300ms",
    "fault.away.at=400ms",
    "fault.away.lasts=1ms",
    "fault.again.at=405ms",
    "variant.heartbeats.fault.silence.at=800ms",
)
CRASH = ("duration=1500ms", "fault.crash.at=400ms", "fault.crash.lasts=300ms")


def played(name: str, variant: str, *overrides: str) -> Ledger:
    checks, ledger = of_experiment(name, variant, overrides)
    assert [(law.name, law.detail) for law in checks.laws if law.state == "invalid"] == []
    return ledger


def lost(ledger: Ledger, receiver: str) -> Counter[str]:
    rows = [row for row in ledger.messages.to_pylist() if row["receiver"] == receiver and row["fate"] == "lost"]
    return Counter(row["cause"] for row in rows)


def marked(ledger: Ledger, name: str) -> int:
    return sum(each == name for each in ledger.events["name"].to_pylist())


def test_a_pirate_asks_again() -> None:
    ledger = played("server-crash", "pirate", *CRASH)
    assert marked(ledger, "asks again") >= 4
    assert marked(ledger, "gives up") == 0
    assert ledger.lost["linger"] > 0
    rows = [row for row in ledger.messages.to_pylist() if row["receiver"] == "client-1" and row["fate"] == "delivered"]
    assert max(row["received_ns"] for row in rows) > 1_400_000_000


def test_requests_are_not_sent_to_nobody() -> None:
    played("server-crash", "immediate", *CRASH)


def test_a_snail_leaves_and_comes_back() -> None:
    ledger = played("slow-subscriber", "snail", *SLOW)
    assert marked(ledger, "is too late") >= 2
    assert {"no_peer", "close_unread"} <= set(lost(ledger, "slow"))
    assert not lost(ledger, "fast")


def test_only_the_newest_is_kept() -> None:
    ledger = played("slow-subscriber", "newest", *SLOW)
    assert set(lost(ledger, "slow")) == {"conflated"}
    assert lost(ledger, "slow")["conflated"] > 300


def test_a_publisher_waits() -> None:
    ledger = played("slow-subscriber", "nodrop", *SLOW)
    assert sum(ledger.lost.values()) == 0


def test_a_silence_is_noticed() -> None:
    ledger = played("drop-off", "heartbeats", *DROPS)
    assert lost(ledger, "shaky")["no_peer"] > 100
