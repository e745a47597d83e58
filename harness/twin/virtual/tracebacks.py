"""Tracebacks as a program would see them under Python: without the frames and errors of the simulation."""

from __future__ import annotations

import traceback
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.twin.errors import TwinError

if TYPE_CHECKING:
    from harness.twin.virtual.modules import Modules

_PACKAGE: Final = str(Path(__file__).resolve().parents[1])


_BUGS: Final = (AssertionError, LookupError, UnboundLocalError, RecursionError, ArithmeticError)
"""Raised by the simulation itself, one of these is a bug of it, and its frames are what matters."""


def tidy(error: BaseException | None) -> None:
    """Take frames and causes that are the simulation's own out of an exception and of all that led to it."""
    if _is_bug(error):
        return
    seen: dict[int, None] = {}
    while error is not None and id(error) not in seen:
        seen[id(error)] = None
        error.__traceback__ = without_own_frames(error.__traceback__)
        while isinstance(error.__context__, TwinError):
            error.__context__ = error.__context__.__context__
        if error.__cause__ is not None:
            tidy(error.__cause__)
        error = error.__context__


def _is_bug(error: BaseException | None) -> bool:
    if not isinstance(error, _BUGS) or error.__traceback__ is None:
        return False
    tb = error.__traceback__
    while tb.tb_next is not None:
        tb = tb.tb_next
    return _is_own(tb)


def without_own_frames(tb: types.TracebackType | None) -> types.TracebackType | None:
    """What is left of a traceback; it is changed in place."""
    while tb is not None and _is_own(tb):
        tb = tb.tb_next
    first = tb
    while tb is not None:
        following = tb.tb_next
        while following is not None and _is_own(following):
            following = following.tb_next
        tb.tb_next = following
        tb = following
    return first


def _is_own(tb: types.TracebackType) -> bool:
    return tb.tb_frame.f_code.co_filename.startswith(_PACKAGE)


def traceback_text(error: BaseException) -> str:
    """The traceback as Python prints it."""
    tidy(error)
    return "".join(traceback.format_exception(error))


def tidy_module(module: types.ModuleType, _modules: Modules) -> None:
    """The copy of ``traceback``: whatever it shows is tidied first."""
    shown: Any = vars(module)["TracebackException"]
    make = shown.__init__

    def made(self: Any, exc_type: Any, exc_value: Any, exc_traceback: Any, **options: Any) -> None:
        tidy(exc_value)
        make(self, exc_type, exc_value, without_own_frames(exc_traceback), **options)

    shown.__init__ = made
