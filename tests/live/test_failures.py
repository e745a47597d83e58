"""Every failure that the harness knows, on real sockets, from the experiment's own file: its loss, and its cause."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from .runs import of_experiment

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]


@dataclass(frozen=True)
class Failure:
    """What an experiment is to show live, shortened.

    Attributes:
        name: of the experiment.
        causes: with which it loses; nine of ten losses at least have one of these, and none of these is missing.
        by_chance: further causes, of what chance puts into a message's way.
        least: messages lost.
        overrides: of keys in the file.
        variant: of the experiment.
        needs: what it takes over namespaces, besides these.
        over_proxy, over_namespaces: whether it is played over these networks.
    """

    name: str
    causes: tuple[str, ...]
    least: int
    overrides: tuple[str, ...]
    by_chance: tuple[str, ...] = ()
    variant: str = "plain"
    needs: tuple[str, ...] = ()
    over_proxy: bool = True
    over_namespaces: bool = True

    @property
    def label(self) -> str:
        """For people."""
        return self.name if self.variant == "plain" else f"{self.name}, {self.variant}"


FAILURES = (
    # 500 in its first half second, and a few while it joins.
    Failure("late-joiner", ("no_peer",), 450, ("duration=1s",)),
    Failure(
        "slow-subscriber",
        ("hwm_sender",),
        300,
        ("duration=2s", "warmup=0s", "fault.slowdown.at=300ms", "fault.slowdown.lasts=1200ms"),
    ),
    # 500 a second: one wait of 100 ms at least, and half a second away.
    Failure(
        "drop-off",
        ("no_peer",),
        280,
        (
            "duration=2s",
            "fault.cut.at=300ms",
            "fault.away.at=800ms",
            "fault.away.lasts=500ms",
            "fault.again.at=801ms",
            "variant.heartbeats.fault.silence.at=1900ms",
        ),
        needs=("emulator",),
    ),
    # A backlog of 167 a second, and 500 a second while it is dead.
    Failure(
        "subscriber-crash",
        ("crash_unread", "no_peer"),
        250,
        ("duration=2s", "fault.crash.at=1s", "fault.crash.lasts=300ms"),
    ),
    Failure(
        "slow-network",
        ("hwm_sender",),
        200,
        ("duration=2500ms", "fault.congestion.at=300ms", "fault.congestion.lasts=1500ms"),
        needs=("emulator",),
    ),
    # Of a second of messages more than half do not fit; what is repaired too late is lost, and so is all that follows.
    Failure(
        "network-overload",
        ("datagram",),
        200,
        ("duration=3s", "fault.overload.at=500ms"),
        needs=("pgm", "tbf"),
        over_proxy=False,
    ),
    # 32 kB each.
    Failure("memory-limit", ("crash_unsent",), 200, ("duration=1500ms", "node.pub.memory=8MiB")),
    Failure(
        "worker-crash",
        ("crash_unread",),
        50,
        ("duration=1500ms", "fault.crash.at=1s", "fault.crash.lasts=300ms"),
    ),
    # Of four clients three wait in the server.
    Failure(
        "server-crash",
        ("crash_unread",),
        2,
        ("duration=1s", "fault.crash.at=500ms", "fault.crash.lasts=300ms"),
        by_chance=("crash_unsent",),  # an answer on its way out
        over_namespaces=False,  # its variant goes there
    ),
    Failure(
        "server-crash",
        ("crash_unread", "late_reply"),
        4,
        ("duration=2s", "fault.crash.at=500ms", "fault.crash.lasts=500ms"),
        variant="relaxed",
    ),
)


def _cases() -> list[object]:
    over_proxy = [pytest.param(one, "proxy", id=f"{one.label}-proxy") for one in FAILURES if one.over_proxy]
    over_namespaces = [
        pytest.param(one, "namespaces", id=f"{one.label}-namespaces", marks=pytest.mark.needs("netns", *one.needs))
        for one in FAILURES
        if one.over_namespaces
    ]
    return [*over_proxy, *over_namespaces]


@pytest.mark.parametrize(("failure", "network"), _cases())
def test_it_loses_what_it_is_to_lose_and_the_cause_is_told(failure: Failure, network: str) -> None:
    _, ledger = of_experiment(failure.name, failure.variant, [*failure.overrides, f"live.network={network}"])
    lost = sum(ledger.lost.values()) + ledger.unexplained
    assert lost >= failure.least, ledger.lost
    assert all(ledger.lost.get(cause) for cause in failure.causes), ledger.lost
    assert sum(ledger.lost.get(cause, 0) for cause in (*failure.causes, *failure.by_chance)) >= 0.9 * lost, ledger.lost
    assert ledger.unexplained < 0.01 * lost
    assert ledger.anomalies == ()
