"""What a run of programs has come to, as an exit status."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Final

USAGE: Final = 2
INCONCLUSIVE: Final = 3
INTERRUPTED: Final = 128 + signal.SIGINT


def exit_status(ends: Sequence[tuple[int | None, Sequence[int]]], *, asked: bool) -> int:
    """Of the run as a whole, when it has ended by itself or at its limit of time.

    Args:
        ends: of each program its exit status (None: it has not ended) and the signals that it was sent on purpose.
        asked: whether the user has said when the run is over.
    """
    # Whoever ends of a signal that was asked for has not failed.
    statuses = [0 if status in [128 + number for number in signals] else status for status, signals in ends]
    failed = next((status for status in statuses if status), 0)
    # Of several programs some are there to serve: the run is over when the others have done their work.
    nobody_has_ended = all(status is None for status in statuses)
    return INCONCLUSIVE if not failed and nobody_has_ended and not asked else failed
