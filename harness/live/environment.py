"""What the figures of a live run depend on: versions, the machine, and how much of it others took."""

from __future__ import annotations

import os
import platform
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zmq

from harness import __version__
from harness.live.fast import recorder
from harness.live.pinning import allowed
from harness.trace import NONE, Kind

_SYSCTL = Path("/proc/sys/net")
_CLOCK_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
_TCP = (
    "ipv4/tcp_wmem",
    "ipv4/tcp_rmem",
    "core/wmem_max",
    "core/rmem_max",
    "ipv4/tcp_congestion_control",
    "ipv4/tcp_moderate_rcvbuf",
    "ipv4/tcp_autocorking",
    "ipv4/tcp_sack",
    "ipv4/tcp_slow_start_after_idle",
    "ipv4/tcp_rto_min_us",
    "ipv4/tcp_retries2",
    "ipv4/tcp_syn_retries",
)
"""What of the kernel's settings the figures of a run depend on."""
_TICKS_S = os.sysconf("SC_CLK_TCK")


class Machine:
    """Looks at the machine before a run (on construction) and after it (:meth:`describe`)."""

    def __init__(self) -> None:
        self._cores = allowed()
        self._before = _processor_s()
        self._own_before = _own_s()

    def describe(self, records: npt.NDArray[Any]) -> dict[str, Any]:
        """Plain data for ``Trace.environment``.

        ``steal_share`` and ``foreign_share`` are shares of all processor time of the run: what the host took
        away, and what was spent on other work than this run's. Absent where the system does not tell.

        Args:
            records: of the run, shape (n,), dtype RECORD_DTYPE; ``generator`` says how late messages were sent.
        """
        found: dict[str, Any] = {
            "harness": __version__,
            "python": platform.python_version(),
            "pyzmq": zmq.pyzmq_version(),
            "libzmq": zmq.zmq_version(),
            "recorder": recorder(),
            "kernel": f"{platform.system()} {platform.release()}",
            "cpu": _cpu_model(),
            "cores": os.cpu_count() or 0,
            "cores_of_the_run": self._cores,
            "clock_source": _first_line(_CLOCK_SOURCE),
            "tcp": {name.rpartition("/")[2].removeprefix("tcp_"): _sysctl(name) for name in _TCP},
            "generator": lateness(records),
        }
        after = _processor_s()
        if self._before is not None and after is not None:
            total, busy, steal = (now - then for now, then in zip(after, self._before, strict=True))
            if total > 0:
                own = _own_s() - self._own_before
                found["steal_share"] = round(steal / total, 4)
                found["foreign_share"] = round(max(0.0, busy - own) / total, 4)
        return found


def lateness(records: npt.NDArray[Any]) -> dict[str, int]:
    """How long after its intended time a message was handed to libzmq, in ns; answers left out.

    Args:
        records: shape (n,), dtype RECORD_DTYPE.
    """
    sends = np.isin(records["kind"], (Kind.ATTEMPT, Kind.SENT, Kind.REJECTED)) & (records["peer"] == NONE)
    late = (records["time_ns"] - records["other_ns"])[sends]
    if not len(late):
        return {"sends": 0}
    return {
        "sends": len(late),
        "late_ns_p50": int(np.percentile(late, 50)),
        "late_ns_p99": int(np.percentile(late, 99)),
        "late_ns_max": int(late.max()),
    }


def _own_s() -> float:
    """Processor seconds of this process and of its children that have ended."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, who))


def _processor_s() -> tuple[float, float, float] | None:
    """Seconds over all cores: all, in processes of this system, taken by the host. None where not told.

    Interrupts are in no process: the packets that they move over loopback may well be the run's own.
    """
    try:
        line = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return None
    user, nice, system, idle, iowait, irq, softirq, steal = (int(text) / _TICKS_S for text in line.split()[1:9])
    busy = user + nice + system
    return busy + irq + softirq + idle + iowait + steal, busy, steal


def _cpu_model() -> str:
    if sys.platform == "linux":
        try:
            lines = Path("/proc/cpuinfo").read_text().splitlines()
        except OSError:
            lines = []
        for line in lines:
            if line.startswith(("model name", "Model", "Hardware")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _sysctl(name: str) -> str | None:
    return _first_line(_SYSCTL / name)


def _first_line(path: Path) -> str | None:
    try:
        return " ".join(path.read_text().split())
    except OSError:
        return None
