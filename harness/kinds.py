"""The file system is the registry: a kind is a module of its package, found by name.

``pattern.kind = "pubsub"`` is ``harness/patterns/pubsub.py``. Names come from listing the package,
so a kind cannot reach outside it.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType


def names(package: str) -> tuple[str, ...]:
    """Kinds of a package such as ``"harness.patterns"``, sorted; modules with ``_`` in front are not kinds."""
    found = pkgutil.iter_modules(_folders(package))
    return tuple(sorted(module.name for module in found if not module.name.startswith("_")))


def load(package: str, kind: str) -> ModuleType:
    """The module of that kind. Raises KeyError when there is none."""
    if kind not in names(package):
        raise KeyError(kind)
    return importlib.import_module(f"{package}.{kind}")


def summary(package: str, kind: str) -> str:
    """What a kind is, in one line: the first of its docstring. Raises KeyError."""
    if kind not in names(package):
        raise KeyError(kind)
    for folder in _folders(package):
        path = Path(folder, f"{kind}.py")
        if path.is_file():
            # Read, not imported: a list of all plots does not need Matplotlib.
            return (ast.get_docstring(ast.parse(path.read_bytes())) or "").partition("\n")[0]
    return ""


def _folders(package: str) -> list[str]:
    """Where the modules of a package lie; it is not imported. Raises ModuleNotFoundError."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"no package is called {package}", name=package)
    return list(spec.submodule_search_locations)
