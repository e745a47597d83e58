"""The one way for a program to end that Python has no exception for."""

from __future__ import annotations


class ExitedAtOnce(BaseException):
    """``os._exit``, or a signal that nobody handles: the program ends where it stands."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
