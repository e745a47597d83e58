"""A program as a process: started on its host, listened to, sent signals, ended."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.scripts.output import Prefixed
from harness.scripts.spec import Program

_READY_S = 60.0
"""On a busy machine many Pythons that start at once may take long."""
_CHUNK_BYTES = 65_536
_LAST_S = 5.0


class StartError(OSError):
    """A program could not be brought to its host."""


class Running:
    """A program that has been started, or waits to be.

    Args:
        program: what it is.
        doors, names: of its host, as of :class:`~harness.live.scripts.network.Network`.
        streams: where its lines go, stdout and stderr; None: it writes as it is.
        out: descriptor of what is its stdout then.

    Attributes:
        exit_status: once it has ended, 128 and the signal's number if it was ended by one.
        ended_ns: when.
        signals: those that it was sent.
        pipes: what it writes to, by descriptor.
    """

    def __init__(
        self, program: Program, doors: Sequence[int], names: str, streams: tuple[Prefixed, Prefixed] | None, out: int
    ) -> None:
        self.program = program
        self.exit_status: int | None = None
        self.ended_ns: int | None = None
        self.signals: list[int] = []
        self._channel, theirs = socket.socketpair()
        self._pid = 0
        order = {
            "doors": list(doors),
            "supervisor": os.getpid(),
            "channel": theirs.fileno(),
            "host": program.host,
            "hosts": names,
            "command": [sys.executable, str(program.script), *program.arguments],
            "path": os.environ.get("PYTHONPATH"),
        }
        with theirs:
            self._door = subprocess.Popen(
                [sys.executable, "-m", "harness.live.scripts.door", json.dumps(order)],
                stdout=out if streams is None else subprocess.PIPE,
                stderr=None if streams is None else subprocess.PIPE,
                pass_fds=(theirs.fileno(), *doors),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(place).absolute()) for place in sys.path)},
            )
        self.pidfd = os.pidfd_open(self._door.pid)
        self.pipes: dict[int, _Pipe] = {}
        if streams is not None:
            for pipe, stream in zip((self._door.stdout, self._door.stderr), streams, strict=True):
                assert pipe is not None
                self.pipes[pipe.fileno()] = _Pipe(pipe, stream)

    def await_ready(self) -> None:
        """Until only a word is missing. Raises StartError."""
        told = ""
        self._channel.settimeout(_READY_S)
        try:
            while "ready\n" not in told or "pid " not in told:
                data = self._channel.recv(_CHUNK_BYTES).decode()
                told += data
                if not data or "failed " in told:
                    reason = told.partition("failed ")[2].strip() or "its process has ended"
                    raise StartError(f"{self.program.name} on host {self.program.host}: {reason}")
        except TimeoutError:
            raise StartError(f"{self.program.name}: not ready in {_READY_S:g} s") from None
        self._pid = int(told.partition("pid ")[2].split()[0])

    def go(self) -> None:
        """Say the word."""
        with contextlib.suppress(BrokenPipeError):  # then it has ended, which is seen elsewhere
            self._channel.sendall(b"!")

    def signal(self, number: int) -> None:
        """Send a signal to the program itself."""
        if self.exit_status is None and self._door.poll() is None:
            self.signals.append(number)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)

    def reap(self, now_ns: int) -> None:
        """It has ended."""
        self.exit_status, self.ended_ns = self._door.wait(), now_ns

    def close(self) -> None:
        """After all processes were ended: take what is left to read, and let go."""
        try:
            self._door.wait(_LAST_S)
        except subprocess.TimeoutExpired:
            self._door.kill()
            self._door.wait()
        for pipe in self.pipes.values():
            pipe.close()
        self._channel.close()
        os.close(self.pidfd)


class _Pipe:
    """What a program writes, on its way to those who read it."""

    def __init__(self, pipe: Any, stream: Prefixed) -> None:
        self._pipe = pipe
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        os.set_blocking(pipe.fileno(), False)

    def take(self) -> bool:
        """Pass on what is there; False at the end."""
        try:
            data = os.read(self._pipe.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return True
        self._stream.write(self._decode(data, final=not data))
        self._stream.flush()
        return bool(data)

    def close(self) -> None:
        """Pass on the rest: nobody writes any more."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._pipe.fileno(), _CHUNK_BYTES):
                self._stream.write(self._decode(data))
        self._stream.write(self._decode(b"", final=True))
        self._stream.finish()
        self._stream.flush()
        self._pipe.close()
