"""How many packets a tcp sender may have under way: slow start, then CUBIC (RFC 9438), as Linux counts.

Not modelled: HyStart (slow start ends with the first loss), pacing.
"""

from __future__ import annotations

from typing import Final

_START_PACKETS: Final = 10
_FAR: Final = 1 << 30
_REDUCED: Final = 717, 1024  # CUBIC's factor 0.7
_KEPT: Final = 871, 1024  # fast convergence: (1 + 0.7) / 2
_RENO_PERMILLE: Final = 529  # 3 (1 - 0.7) / (1 + 0.7): as fast as Reno would grow
_MS: Final = 1_000_000


class Cubic:
    """The congestion window of one direction, in packets."""

    __slots__ = (
        "_before",
        "_before_ssthresh",
        "_credit",
        "_delivered",
        "_epoch_ns",
        "_origin",
        "_out",
        "_reach_ms",
        "_reno_permille",
        "_was",
        "ssthresh",
        "window",
    )

    def __init__(self) -> None:
        self.window = _START_PACKETS
        self.ssthresh = _FAR
        self._was = 0
        self._origin = 0
        self._epoch_ns = -1
        self._reach_ms = 0
        self._reno_permille = 0
        self._credit = 0
        self._before = self._before_ssthresh = self._delivered = self._out = 0

    def acknowledged(self, packets: int, now_ns: int, rtt_ns: int) -> None:
        """So many packets have arrived while the window was in use."""
        if self.window < self.ssthresh:
            grown = min(self.window + packets, self.ssthresh)
            packets -= grown - self.window
            self.window = grown
            if not packets:
                return
        each = self._packets_for_one(packets, now_ns, rtt_ns)
        if self._credit >= each:  # saved when one more was dearer: it counts for one, not for many
            self._credit = 0
            self.window += 1
        self._credit += packets
        self.window += self._credit // each
        self._credit %= each

    def _packets_for_one(self, packets: int, now_ns: int, rtt_ns: int) -> int:
        """How many acknowledged packets let the window grow by one."""
        window = self.window
        if self._epoch_ns < 0:
            self._epoch_ns = now_ns
            self._reno_permille = 1000 * window
            self._origin = max(window, self._was)
            self._reach_ms = _cube_root((self._origin - window) * 10_000_000_000 // 4)
        after_ms = (now_ns - self._epoch_ns + rtt_ns) // _MS - self._reach_ms
        target = self._origin + 4 * after_ms**3 // 10_000_000_000
        each = window // (target - window) if target > window else 100 * window
        self._reno_permille += _RENO_PERMILLE * packets // window
        ahead = self._reno_permille // 1000 - window
        if ahead > 0:
            each = min(each, window // ahead)
        return max(each, 2)

    def lost(self) -> None:
        """A loss was noticed: go down, once for all losses of one window."""
        window = self.window
        self._was = window * _KEPT[0] // _KEPT[1] if window < self._was else window
        self.ssthresh = max(window * _REDUCED[0] // _REDUCED[1], 2)
        self.window = self.ssthresh
        self._epoch_ns = -1
        self._credit = 0

    def begin_recovery(self) -> None:
        """A loss was noticed: go down with what arrives from now on, not at once (PRR, RFC 6937)."""
        self._before, self._before_ssthresh = self.window, self.ssthresh
        self._delivered = self._out = 0
        self.lost()

    def recover(self, came: int, pipe: int) -> None:
        """So many packets arrived, so many are under way: how many more may be; the first repair may go always."""
        self._delivered += came
        if pipe > self.ssthresh:
            more = -(-self._delivered * self.ssthresh // self._before) - self._out
        else:
            more = min(self.ssthresh - pipe, max(self._delivered - self._out, came) + 1)
        self.window = pipe + max(more, not self._out)

    def sent(self) -> None:
        """A packet was sent during the recovery."""
        self._out += 1

    def end_recovery(self) -> None:
        """All is repaired."""
        self.window = self.ssthresh

    def take_back(self) -> None:
        """There was no loss: as before the recovery."""
        self.window = max(self.window, self._before)
        self.ssthresh = max(self.ssthresh, self._before_ssthresh)

    def timed_out(self, again: bool) -> None:
        """Nothing has come back: begin with one packet; ``again`` while the last such loss is not repaired."""
        if not again:
            self.lost()
        self.window = 1

    def idle(self, rounds: int) -> None:
        """Nothing was sent for so many timeouts: what was learnt has aged."""
        window = self.window
        self.ssthresh = max(self.ssthresh, window * 3 // 4)
        self.window = max(window >> min(rounds, 30), min(window, _START_PACKETS))


def _cube_root(number: int) -> int:
    root = round(number ** (1 / 3)) if number else 0
    while root**3 > number:
        root -= 1
    while (root + 1) ** 3 <= number:
        root += 1
    return root
