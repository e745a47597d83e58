"""A janitor: a tiny process that outlives the harness for a moment, and ends what a kill would leave behind.

No ``finally`` runs in a process that gets SIGKILL. So a second process waits at the end of a pipe;
when the pipe closes without a word of farewell, it kills the processes it was told of and removes the
unfinished folders it was told of, and ends. Run as a file it imports next to nothing, so that it is there at once.

    with Guard() as guard:
        guard.watch_pid(worker.pid)
        guard.watch_path(partial)
"""

# pathlib is not needed for this, and takes longer to import than all the rest together.
# ruff: noqa: PTH100, PTH106, PTH108, PTH112, PTH114, PTH118, PTH119, PTH123

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

TYPE_CHECKING = False  # run as a file, this module must not wait for what it does not need, `typing` included
if TYPE_CHECKING:
    import subprocess
    from types import TracebackType
    from typing import Self

MARKED_NAMES = (".partial-", "zmq-harness-")
"""What the name of a path must begin with, or the janitor will not touch it."""


class Guard:
    """The harness's end of the pipe. Inside ``with`` the janitor lives; a failure of it is never one of the run.

    Left by an exception, it has the janitor clean up as after a sudden death: what is still watched then was not
    finished. One is enough for a process: entering a guard while another one is entered makes it speak to that
    one's janitor.
    """

    _current: Guard | None = None

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._outer: Guard | None = None

    def __enter__(self) -> Self:
        """Start the janitor, unless there is one."""
        if Guard._current is not None:
            self._outer = Guard._current
            return self
        import subprocess

        # A session of its own: Ctrl-C in the terminal and a kill of the process group pass it by.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", os.path.abspath(__file__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        Guard._current = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say farewell; what is still watched is left alone. After an exception there is no farewell."""
        if self._process is None:
            self._outer = None
            return
        Guard._current = None
        if kind is None:
            self._say("bye")
        assert self._process.stdin is not None
        _quietly(self._process.stdin.close)
        self._process.wait()
        self._process = None

    def watch_pid(self, pid: int) -> None:
        """Kill that process if the harness dies. It is known by pid and start time, so a reused pid is never hit."""
        self._say(f"pid {pid} {start_time(pid)}")

    def forget_pid(self, pid: int) -> None:
        """It has ended."""
        self._say(f"forget-pid {pid}")

    def watch_path(self, path: str | os.PathLike[str]) -> None:
        """Remove that folder or file if the harness dies.

        Raises ValueError unless its name begins with one of :data:`MARKED_NAMES`.
        """
        absolute = os.path.abspath(path)
        if not _is_marked(absolute):
            raise ValueError(f"the name of {absolute} must begin with one of {', '.join(MARKED_NAMES)}")
        self._say(f"path {absolute.encode('utf-8', 'surrogateescape').hex()}")

    def forget_path(self, path: str | os.PathLike[str]) -> None:
        """It is finished, renamed or removed."""
        absolute = os.path.abspath(path)
        self._say(f"forget-path {absolute.encode('utf-8', 'surrogateescape').hex()}")

    def _say(self, line: str) -> None:
        if self._outer is not None:
            self._outer._say(line)
            return
        if self._process is None:
            raise RuntimeError("a guard works inside its with statement only")
        assert self._process.stdin is not None
        # One write of less than PIPE_BUF bytes: whole, also when several threads speak.
        _quietly(os.write, self._process.stdin.fileno(), line.encode() + b"\n")


def _quietly(call: Callable[..., object], *arguments: object) -> bool:
    """Whether the call went well; for what may fail without harm."""
    try:
        call(*arguments)
    except OSError:
        return False
    return True


def start_time(pid: int) -> str:
    """When that process began, as the system tells it; empty when there is none. With the pid, its identity."""
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                # The name in parentheses may itself hold spaces and parentheses.
                return file.read().rpartition(b")")[2].split()[19].decode()
        except (OSError, IndexError):
            return ""
    import subprocess

    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, check=False)
    return "-".join(answer.stdout.decode().split())


def _is_marked(path: str) -> bool:
    return os.path.basename(path).startswith(MARKED_NAMES)


def _remove(path: str) -> None:
    if not _is_marked(path):
        return
    if os.path.isdir(path) and not os.path.islink(path):
        for folder, folders, files in os.walk(path, topdown=False):
            for name in files:
                os.unlink(os.path.join(folder, name))
            for name in folders:
                inner = os.path.join(folder, name)
                if os.path.islink(inner):
                    os.unlink(inner)
                else:
                    os.rmdir(inner)
        os.rmdir(path)
    else:
        os.unlink(path)


def _clean_up(pids: dict[int, str], paths: dict[str, None]) -> None:
    for pid, begun in pids.items():
        if begun and start_time(pid) == begun:
            _quietly(os.kill, pid, signal.SIGKILL)
    for path in paths:
        # A process that is just being killed may still write: look again.
        for _ in range(20):
            if _quietly(_remove, path) and not os.path.lexists(path):
                break
            time.sleep(0.02)


def main() -> None:
    """The janitor: read orders until the pipe closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pids: dict[int, str] = {}
    paths: dict[str, None] = {}
    for line in sys.stdin.buffer:
        if not line.endswith(b"\n"):
            break  # the harness died in the middle of a word
        match line.decode().split():
            case ["bye"]:
                return
            case ["pid", pid, begun]:
                pids[int(pid)] = begun
            case ["forget-pid", pid]:
                pids.pop(int(pid), None)
            case ["path", name]:
                paths[bytes.fromhex(name).decode("utf-8", "surrogateescape")] = None
            case ["forget-path", name]:
                paths.pop(bytes.fromhex(name).decode("utf-8", "surrogateescape"), None)
    _clean_up(pids, paths)


if __name__ == "__main__":
    main()
