"""The file system is the registry: a kind is a module of its package, found by name.

``pattern.kind = "pubsub"`` is ``harness/patterns/pubsub.py``. Names come from listing the package,
so a kind cannot reach outside it.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def names(package: str) -> tuple[str, ...]:
    """Kinds of a package such as ``"harness.patterns"``, sorted; modules with ``_`` in front are not kinds."""
    paths = importlib.import_module(package).__path__
    return tuple(sorted(found.name for found in pkgutil.iter_modules(paths) if not found.name.startswith("_")))


def load(package: str, kind: str) -> ModuleType:
    """The module of that kind. Raises KeyError when there is none."""
    if kind not in names(package):
        raise KeyError(kind)
    return importlib.import_module(f"{package}.{kind}")


def summary(package: str, kind: str) -> str:
    """What a kind is, in one line: the first of its docstring. Raises KeyError."""
    return (load(package, kind).__doc__ or "").strip().partition("\n")[0]
