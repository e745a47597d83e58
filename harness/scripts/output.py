"""Where the lines of several programs go: one below the other, each with the name of its program before it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TextIO


class Prefixed(io.TextIOBase):
    """A text stream that writes whole lines to another one.

    Args:
        target: the other one.
        name: stands before each line.
        times: whether the time stands before that.
    """

    def __init__(self, target: TextIO, name: str, times: bool) -> None:
        self._target = target
        self._name = name
        self._times = times
        self._clock: Callable[[], int] | None = None
        self._line = ""
        self.buffer = _Bytes(self)

    def watch(self, clock: Callable[[], int]) -> None:
        """What tells the time that counts, in ns."""
        self._clock = clock

    def _prefix(self) -> str:
        if not self._times or self._clock is None:
            return self._name
        return f"{self._clock() / 1e9:12.6f} {self._name}"

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the other one."""
        return self._target.encoding or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """Bytes that are no text are replaced."""
        return "replace"

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Whole lines go out, the rest waits."""
        *lines, rest = text.split("\n")
        for line in lines:
            self._target.write(f"{self._line or self._prefix()}{line}\n")
            self._line = ""
        if rest:
            self._line = f"{self._line or self._prefix()}{rest}"
        return len(text)

    def flush(self) -> None:
        """The other stream's; a line that is not complete waits until it is, or until the end."""
        if not self._target.closed:
            self._target.flush()

    def finish(self) -> None:
        """No more will come: end the last line."""
        if self._line:
            self.write("\n")


class _Bytes(io.RawIOBase):
    """``sys.stdout.buffer`` of such a stream."""

    def __init__(self, text: Prefixed) -> None:
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._text.write(bytes(data).decode(self._text.encoding, "replace"))
        return len(data)


def prefixed(names: Sequence[str], out: TextIO, err: TextIO, times: bool) -> list[tuple[Prefixed, Prefixed]]:
    """Where each of several programs writes, stdout and stderr; none when there is but one, which writes as it is."""
    if len(names) == 1 and not times:
        return []
    width = max(map(len, names))
    labels = [f"{name:<{width}} | " if len(names) > 1 else "" for name in names]
    return [(Prefixed(out, label, times), Prefixed(err, label, times)) for label in labels]
