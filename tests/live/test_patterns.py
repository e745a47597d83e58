"""Every pattern on real sockets, for a moment: all that is owed arrives."""

from __future__ import annotations

import pytest

from harness.check import check
from harness.ledger import settle
from harness.live.world import execute
from tests import gallery

from .runs import MS, run_of

pytestmark = pytest.mark.live


@pytest.mark.parametrize("kind", gallery.KINDS)
def test_all_that_is_owed_arrives(kind: str) -> None:
    run = run_of(gallery.build(kind, 600 * MS), duration_ns=600 * MS)
    trace = execute(run)
    ledger = settle(run, trace)
    assert trace.errors == {}
    assert trace.limits_hit == ()
    assert ledger.expected > 30
    assert ledger.delivered == ledger.expected
    assert [law.name for law in check(run, trace, ledger).laws if law.state == "invalid"] == []
