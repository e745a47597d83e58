"""What an exit status means."""

from __future__ import annotations

VALID, FAILED, WRONG_INPUT, INCONCLUSIVE = 0, 1, 2, 3

HELP = (
    "Exit status: 0 all valid; 1 a law or an expectation failed, or a run gave no result; 2 the input is wrong; "
    "3 inconclusive (a run never reached what it claims to exercise, a limit was hit, too few runs to compare). "
    "That the two worlds differ is a finding, not a failure: it is printed and leaves the status at 0."
)
