"""A second copy of pyzmq's front end, beside the real one, on the simulated library.

pyzmq's front end is plain Python that asks a backend module for a dozen names. This loader runs its
source once more, in modules of our own that never enter ``sys.modules``: each is given its own
``__import__``, which answers ``zmq`` and ``zmq.*`` with the copy and everything else as usual. So a
program can hold both libraries at once, and a late ``from zmq import ...`` inside the front end
finds its own kind.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.machinery
import importlib.util
import os
import sys
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from harness.twin import backend
from harness.twin.face import use_front
from harness.twin.kernel import current_process
from harness.twin.options import NotSimulatedYet

_ROOT = "zmq"

_NEEDS_A_LOOP = ("zmq.asyncio", "zmq._future", "zmq.green")
"""What waits in an event loop; only programs with modules of their own have one in virtual time."""


class FrontEnd:
    """Loads modules of pyzmq for itself."""

    def __init__(self) -> None:
        spec = importlib.machinery.PathFinder.find_spec(_ROOT, sys.path)
        if spec is None or not spec.submodule_search_locations:
            raise ImportError("pyzmq is not installed")
        self._root = Path(next(iter(spec.submodule_search_locations)))
        self.modules: dict[str, types.ModuleType] = {}

    def load(self, name: str) -> types.ModuleType:
        """The module of that full name, run once. Raises ModuleNotFoundError."""
        module = self.modules.get(name)
        if module is not None:
            return module
        parent, _, child = name.rpartition(".")
        if parent:
            self.load(parent)
            if name in self.modules:
                return self.modules[name]
        module = self._make(name)
        self.modules[name] = module
        try:
            code = Path(str(module.__file__)).read_bytes()
            exec(compile(code, str(module.__file__), "exec", dont_inherit=True), module.__dict__)  # noqa: S102
        except BaseException:
            self.modules.pop(name, None)
            raise
        if parent:
            setattr(self.modules[parent], child, module)
        return module

    def _make(self, name: str) -> types.ModuleType:
        if name in _NEEDS_A_LOOP:
            raise NotSimulatedYet(f"{name} in a function (in a script it is: python -m harness.twin)")
        path = self._root.joinpath(*name.split(".")[1:])
        package = path.is_dir()
        file = path / "__init__.py" if package else path.with_suffix(".py")
        if not file.is_file():
            raise ModuleNotFoundError(f"No module named {name!r} on the simulated library", name=name)
        module = types.ModuleType(name)
        module.__file__ = str(file)
        module.__package__ = name if package else name.rpartition(".")[0]
        if package:
            module.__path__ = [str(path)]
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self.import_}
        return module

    def import_(
        self, name: str, globals_: Any = None, locals_: Any = None, fromlist: Any = (), level: int = 0
    ) -> types.ModuleType:
        """``__import__`` for these modules and for programs that shall meet the simulated library."""
        full = name
        if level:
            base = (globals_ or {}).get("__package__") or ""
            base = base.rsplit(".", level - 1)[0] if level > 1 else base
            full = f"{base}.{name}" if name else base
        if full != _ROOT and not full.startswith(_ROOT + "."):
            return builtins.__import__(name, globals_, locals_, fromlist, level)
        module = self.load(full)
        if not fromlist:
            return module if level else self.load(_ROOT)
        if hasattr(module, "__path__"):
            for item in fromlist:
                if item != "*" and not hasattr(module, item):
                    # When it is no module, the import statement itself says what is missing.
                    with contextlib.suppress(ModuleNotFoundError):
                        self.load(f"{full}.{item}")
        return module


@contextlib.contextmanager
def backend_chosen() -> Iterator[None]:
    """A copy of pyzmq that is imported inside has ours as its backend: it asks this variable while it is imported."""
    before = os.environ.get("PYZMQ_BACKEND")
    os.environ["PYZMQ_BACKEND"] = backend.__name__
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYZMQ_BACKEND"]
        else:
            os.environ["PYZMQ_BACKEND"] = before


@cache
def front_end() -> FrontEnd:
    """The one copy of this process, loaded at first use."""
    loader = FrontEnd()
    with backend_chosen():
        module = loader.load(_ROOT)
    module.Context.instance = classmethod(_instance)
    use_front(module)
    return loader


def _instance(cls: Any, io_threads: int = 1) -> Any:
    """The global Context of a simulated process, not of the one that all of them are simulated in."""
    instances = current_process().instances
    context = instances.get(cls)
    if context is None or context.closed:
        context = instances[cls] = cls(io_threads=io_threads)
    return context
