"""The operating system and the interpreter as a simulated program finds them.

Each module here is the real one with some names replaced: what is per process (arguments, output,
number, random bytes, exit handlers) is per simulated program, what would leave virtual time is
refused (:mod:`harness.twin.virtual.refusals`), all else is the machine's: files can be read and written.
"""

from __future__ import annotations

import errno
import importlib
import types
from typing import TYPE_CHECKING, Any, Final, NoReturn

from harness.twin.polling import zmq_poll
from harness.twin.socket_base import POLLIN, POLLOUT
from harness.twin.virtual.alarms import AlarmClock
from harness.twin.virtual.endings import ExitedAtOnce
from harness.twin.virtual.ports import port_finder
from harness.twin.virtual.refusals import NotVirtualAttributeError, refusal, refuse_in

if TYPE_CHECKING:
    from harness.twin.virtual.modules import Modules

_BLOCKS_ON_DESCRIPTORS: Final = "file descriptors of the machine know nothing of virtual time; use zmq.Poller"


def snapshot(name: str) -> types.ModuleType:
    """A module with all that the real one of that name has now."""
    real = importlib.import_module(name)
    module = types.ModuleType(name, real.__doc__)
    module.__dict__.update(vars(real))
    return module


def replace(module: types.ModuleType, **names: Any) -> None:
    """Put these in place. Functions become what built-in ones are: a class that keeps one does not make it a method."""
    for name, value in names.items():
        module.__dict__[name] = types.MethodType(_call, value) if isinstance(value, types.FunctionType) else value


def _call(function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


def built_in(modules: Modules) -> dict[str, Any]:
    """Built-in functions that are a program's own: what it imports, and where its output goes."""

    def output(*values: Any, sep: Any = " ", end: Any = "\n", file: Any = None, flush: bool = False) -> None:
        print(*values, sep=sep, end=end, file=modules.load("sys").stdout if file is None else file, flush=flush)

    def ask(prompt: object = "", /) -> str:
        program = modules.load("sys")
        program.stdout.write(str(prompt))
        program.stdout.flush()
        line: str = program.stdin.readline()
        if not line:
            raise EOFError("EOF when reading a line")
        return line.removesuffix("\n")

    def leave(code: Any = None) -> NoReturn:
        raise SystemExit(code)

    return {"__import__": modules.import_, "print": output, "input": ask, "exit": leave, "quit": leave}


def sys_module(modules: Modules) -> types.ModuleType:
    """The module ``sys`` of one program."""
    home = modules.home
    module = snapshot("sys")
    replace(
        module,
        argv=list(home.argv),
        path=home.path,
        modules=modules.loaded,
        stdout=home.stdout,
        stderr=home.stderr,
        __stdout__=home.stdout,
        __stderr__=home.stderr,
        # A simulated thread must not switch tracing and profiling of the whole process.
        setswitchinterval=lambda interval: None,
    )
    return module


def os_module(modules: Modules) -> types.ModuleType:
    """The module ``os`` of one program."""
    home = modules.home
    module = snapshot("os")
    refuse_in(module)

    def exit_at_once(status: int) -> NoReturn:
        raise ExitedAtOnce(status)

    def kill(pid: int, number: int) -> None:
        if pid == home.pid:
            modules.load("signal").raise_signal(number)
            return
        for other in home.family:
            if other.pid == pid and other.exit_status is None:
                other.signal(number)
                return
        raise ProcessLookupError(errno.ESRCH, "No such process")

    def uname() -> Any:
        real = importlib.import_module("os").uname()
        return type(real)((real.sysname, home.host, real.release, real.version, real.machine))

    replace(
        module,
        getpid=lambda: home.pid,
        getppid=lambda: 1,
        **dict.fromkeys(("getuid", "geteuid", "getgid", "getegid"), lambda: 0),
        getpgid=lambda pid: home.pid,
        urandom=home.random_bytes,
        getrandom=lambda size, flags=0: home.random_bytes(size),
        _exit=exit_at_once,
        abort=lambda: exit_at_once(134),
        kill=kill,
        uname=uname,
        register_at_fork=lambda **_: None,
        sched_yield=home.clock.glance,
    )
    return module


def signal_module(modules: Modules) -> types.ModuleType:
    """The module ``signal``: handlers can be set, and are called when something in the simulation sends a signal."""
    module = snapshot("signal")
    refuse_in(module)
    handlers: dict[int, Any] = {module.SIGINT: module.default_int_handler}

    def set_handler(number: int, handler: Any) -> Any:
        if not callable(handler) and handler not in (module.SIG_IGN, module.SIG_DFL):
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
        before = handlers.get(number, module.SIG_DFL)
        handlers[number] = handler
        return before

    def raise_signal(number: int) -> None:
        handler = handlers.get(number, module.SIG_DFL)
        if handler is module.SIG_DFL:
            raise ExitedAtOnce(128 + int(number))
        if handler is not module.SIG_IGN:
            handler(number, None)

    replace(
        module,
        signal=set_handler,
        getsignal=lambda number: handlers.get(number, module.SIG_DFL),
        raise_signal=raise_signal,
        siginterrupt=lambda number, flag: None,
        set_wakeup_fd=lambda fd, warn_on_full_buffer=True: -1,
        pthread_sigmask=lambda how, mask: set(),
    )
    clock = AlarmClock(modules, module)
    replace(module, alarm=clock.alarm, setitimer=clock.setitimer, getitimer=clock.getitimer)
    return module


def select_module(modules: Modules) -> types.ModuleType:
    """The module ``select``: its function of that name, for FDs of ZeroMQ sockets or as a sleep."""
    module = snapshot("select")
    real_names = [name for name in ("poll", "epoll", "kqueue", "devpoll") if name in vars(module)]
    for name in real_names:
        del module.__dict__[name]

    def missing(name: str) -> NoReturn:
        if name in real_names:
            raise NotVirtualAttributeError(f"select.{name} cannot be simulated: {_BLOCKS_ON_DESCRIPTORS}")
        raise AttributeError(f"module 'select' has no attribute {name!r}")

    def select(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None) -> tuple[list[Any], ...]:
        items = [(item, POLLIN) for item in rlist] + [(item, POLLOUT) for item in wlist]
        if items and not xlist and all(modules.home.twin.descriptors.socket(_number(item)) for item, _ in items):
            ready = zmq_poll([(_number(item), wanted) for item, wanted in items], _milliseconds(timeout))
            return (
                [item for item in rlist if (_number(item), POLLIN) in ready],
                [item for item in wlist if (_number(item), POLLOUT) in ready],
                [],
            )
        if items or xlist or timeout is None:
            refusal("select.select()", _BLOCKS_ON_DESCRIPTORS)
        modules.home.clock.sleep_ns(int(timeout * 1e9))
        return [], [], []

    replace(module, __getattr__=missing, select=select)
    return module


def _number(item: Any) -> int:
    return int(item if isinstance(item, int) else item.fileno())


def _milliseconds(timeout: float | None) -> int:
    return -1 if timeout is None else -int(-timeout * 1000 // 1)


def socket_module(modules: Modules) -> types.ModuleType:
    """The module ``socket``: its constants and conversions, the host's name, and sockets that find a free port."""
    module = snapshot("socket")
    refuse_in(module)
    host = modules.home.host
    finder = port_finder(vars(importlib.import_module("socket"))["socket"], modules)
    replace(
        module,
        socket=finder,
        SocketType=finder,
        gethostname=lambda: host,
        getfqdn=lambda name="": name or host,
        gethostbyname=lambda name: modules.home.resolve(name) or name,
    )
    return module


def subprocess_module(_modules: Modules) -> types.ModuleType:
    """The module ``subprocess``: its constants and errors."""
    module = snapshot("subprocess")
    refuse_in(module)
    return module


def atexit_module(modules: Modules) -> types.ModuleType:
    """The module ``atexit``: called when the simulated program ends."""
    module = types.ModuleType("atexit")
    registered = modules.home.at_exit

    def register(function: Any, /, *args: Any, **kwargs: Any) -> Any:
        registered.append((function, args, kwargs))
        return function

    def unregister(function: Any) -> None:
        registered[:] = [entry for entry in registered if entry[0] != function]

    def run() -> None:
        while registered:
            function, args, kwargs = registered.pop()
            function(*args, **kwargs)

    replace(
        module, register=register, unregister=unregister, _run_exitfuncs=run, _clear=registered.clear, _ncallbacks=len
    )
    return module


def importlib_module(modules: Modules) -> types.ModuleType:
    """The module ``importlib``: what it imports is what the program's ``import`` gives."""
    module = snapshot("importlib")

    def import_module(name: str, package: str | None = None) -> types.ModuleType:
        level = len(name) - len(name.lstrip("."))
        if level and not package:
            raise TypeError(f"the 'package' argument is required to perform a relative import for {name!r}")
        return modules.load(modules.resolve(name[level:], {"__package__": package}, level))

    module.__dict__.update(import_module=import_module, __import__=modules.import_, reload=modules.reload)
    return module
