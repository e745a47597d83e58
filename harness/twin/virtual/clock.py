"""Virtual time as a program reads it: the modules ``time`` and ``datetime``, and what reading costs.

The wall clock starts at a fixed moment, :data:`EPOCH_NS`, so that every run is the same run; the
host's time zone is UTC. Computing takes no virtual time. Reading the clock takes :data:`GLANCE_NS`,
and a loop that does nothing but look at it (or at a lock, or at a socket that has nothing) would
need millions of turns to see a second pass. So after :data:`PATIENT_GLANCES` of them in a row each
costs a little more than the one before, though never more than until something else happens: a
spin-wait ends, at most a few thousandths late, and still sees each event when it comes.
"""

from __future__ import annotations

import importlib
import types
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from harness.twin.costs import Costs
    from harness.twin.kernel import Kernel, Process

EPOCH_NS: Final = 1_767_225_600 * 1_000_000_000
"""Wall-clock time at virtual time 0: 2026-01-01T00:00:00Z."""

UPTIME_NS: Final = 86_400 * 1_000_000_000
"""Monotonic clocks at virtual time 0: the host has been up for a day, so that 0 is as long ago as programs think."""

GLANCE_NS: Final = 50
"""What a look at a clock, a lock or a queue takes."""

PATIENT_GLANCES: Final = 10_000
"""So many looks in a row are a program at work; more are one that waits."""

TIMER_SLACK_NS: Final = 50_000
"""By this a thread wakes too late from a sleep (prctl(2), PR_SET_TIMERSLACK)."""

_REAL: Final[Any] = importlib.import_module("time")
_REAL_DATES: Final[Any] = importlib.import_module("datetime")


class Clock:
    """Reads and spends virtual time for the threads of one program."""

    def __init__(self, kernel: Kernel, costs: Costs) -> None:
        self._kernel = kernel
        self._costs = costs
        self._failing_ns = 4 * GLANCE_NS + max(costs.recv_empty_ns, costs.send_full_ns, costs.poll_ns)
        self._looks: dict[Process, tuple[int, int]] = {}
        self._failures: dict[Process, tuple[int, int]] = {}

    def glance(self) -> None:
        """The running thread looks at something that others may change."""
        process = self._kernel.current
        if process is None:
            return  # the simulation itself, for a program that has ended
        count, since_ns = self._looks.get(process, (0, -1))
        count = count + 1 if since_ns == self._kernel.now_ns else 0
        self._spin(count, GLANCE_NS)
        self._looks[process] = (count, self._kernel.now_ns)

    def failed(self) -> None:
        """A call that did not wait has found nothing to do, and has already cost what such a call costs."""
        process = self._kernel.running()
        count, since_ns = self._failures.get(process, (0, -1))
        count = count + 1 if self._kernel.now_ns - since_ns <= self._failing_ns else 0
        if count > PATIENT_GLANCES:
            self._spin(count, 0)
        self._failures[process] = (count, self._kernel.now_ns)

    def _spin(self, count: int, cost_ns: int) -> None:
        kernel = self._kernel
        if count > PATIENT_GLANCES:
            grown_ns = GLANCE_NS * (count - PATIENT_GLANCES) // 100
            cost_ns = max(cost_ns, min(grown_ns, kernel.next_ns() - kernel.now_ns))
        kernel.spend(cost_ns)

    def now_ns(self) -> int:
        """Virtual time, looked at."""
        self.glance()
        return self._kernel.now_ns

    def sleep_ns(self, duration_ns: int) -> None:
        """The running thread sleeps, and wakes as late as on the profile's machine; not to sleep is a look."""
        if duration_ns > 0:
            self._kernel.spend(duration_ns + TIMER_SLACK_NS + self._costs.sleep_late())
        else:
            self.glance()


class Time:
    """The functions of the module ``time``; methods, so that a class that keeps one does not make it its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def time_ns(self) -> int:
        """The wall clock."""
        return EPOCH_NS + self._clock.now_ns()

    def time(self) -> float:
        """The wall clock."""
        return self.time_ns() / 1e9

    def monotonic_ns(self) -> int:
        """Since the host was started."""
        return UPTIME_NS + self._clock.now_ns()

    def monotonic(self) -> float:
        """Since the host was started."""
        return self.monotonic_ns() / 1e9

    perf_counter_ns = monotonic_ns
    perf_counter = monotonic

    def process_time_ns(self) -> int:
        """The processor is taken to be busy with the program all the time."""
        return self._clock.now_ns()

    def process_time(self) -> float:
        """As :meth:`process_time_ns`."""
        return self._clock.now_ns() / 1e9

    thread_time_ns = process_time_ns
    thread_time = process_time

    def clock_gettime_ns(self, clock_id: int) -> int:
        """The wall clock, the program's own or the monotonic one."""
        if clock_id == _REAL.CLOCK_REALTIME:
            return self.time_ns()
        own = clock_id in (_REAL.CLOCK_PROCESS_CPUTIME_ID, _REAL.CLOCK_THREAD_CPUTIME_ID)
        return self.process_time_ns() if own else self.monotonic_ns()

    def clock_gettime(self, clock_id: int) -> float:
        """As :meth:`clock_gettime_ns`."""
        return self.clock_gettime_ns(clock_id) / 1e9

    def sleep(self, seconds: float) -> None:
        """Virtual time passes. Raises ValueError."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self._clock.sleep_ns(int(seconds * 1e9))

    def gmtime(self, seconds: float | None = None) -> Any:
        """Now, unless told."""
        return _REAL.gmtime(self.time() if seconds is None else seconds)

    localtime = gmtime

    def ctime(self, seconds: float | None = None) -> str:
        """Now, unless told."""
        return str(_REAL.asctime(self.gmtime(seconds)))

    def asctime(self, t: Any = None) -> str:
        """Now, unless told."""
        return str(_REAL.asctime(self.gmtime() if t is None else t))

    def strftime(self, form: str, t: Any = None) -> str:
        """Now, unless told."""
        return str(_REAL.strftime(form, self.gmtime() if t is None else t))

    def mktime(self, t: Any) -> float:
        """Local time is UTC."""
        return float(importlib.import_module("calendar").timegm(t))

    def tzset(self) -> None:
        """The time zone stays UTC."""


def time_module(clock: Clock) -> types.ModuleType:
    """The module ``time``."""
    module = types.ModuleType("time", _REAL.__doc__)
    module.__dict__.update(vars(_REAL))
    functions = Time(clock)
    module.__dict__.update({name: getattr(functions, name) for name in vars(Time) if not name.startswith("_")})
    module.__dict__.update(timezone=0, altzone=0, daylight=0, tzname=("UTC", "UTC"))
    return module


class _Lenient(type):
    """What is an instance of the real class is one of its virtual heir, too: values come from both."""

    _real: Any

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls._real) if "_real" in vars(cls) else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls._real) if "_real" in vars(cls) else super().__subclasscheck__(subclass)


def datetime_module(clock: Clock) -> types.ModuleType:
    """The module ``datetime``: today and now are virtual, and local time is UTC."""
    module = types.ModuleType("datetime", _REAL_DATES.__doc__)
    module.__dict__.update(vars(_REAL_DATES))
    real, utc = _REAL_DATES.datetime, _REAL_DATES.timezone.utc
    zero = real(1970, 1, 1, tzinfo=utc)

    def like(cls: Any, moment: Any) -> Any:
        return cls.combine(moment.date(), moment.timetz())

    def now(cls: Any, tz: Any = None) -> Any:
        moment = zero + _REAL_DATES.timedelta(microseconds=(EPOCH_NS + clock.now_ns()) // 1000)
        return like(cls, moment.replace(tzinfo=None) if tz is None else moment.astimezone(tz))

    def today(cls: Any) -> Any:
        moment = now(real)
        return cls(moment.year, moment.month, moment.day)

    def fromtimestamp(cls: Any, timestamp: float, tz: Any = None) -> Any:
        moment = real.fromtimestamp(timestamp, utc if tz is None else tz)
        return like(cls, moment.replace(tzinfo=None) if tz is None else moment)

    # A naive one is in local time, which is UTC.
    def astimezone(self: Any, tz: Any = None) -> Any:
        return real.astimezone(self if self.tzinfo else self.replace(tzinfo=utc), utc if tz is None else tz)

    def timestamp(self: Any) -> float:
        return float(real.timestamp(self if self.tzinfo else self.replace(tzinfo=utc)))

    date_body = {"__module__": "datetime", "_real": _REAL_DATES.date, "today": classmethod(today)}
    datetime_body = {
        "__module__": "datetime",
        "_real": real,
        "now": classmethod(now),
        "utcnow": classmethod(now),
        "today": classmethod(now),
        "fromtimestamp": classmethod(fromtimestamp),
        "astimezone": astimezone,
        "timestamp": timestamp,
    }
    module.__dict__["date"] = _Lenient("date", (_REAL_DATES.date,), date_body)
    module.__dict__["datetime"] = _Lenient("datetime", (real,), datetime_body)
    return module
