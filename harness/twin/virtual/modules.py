"""The modules of one simulated program, and the ``__import__`` that finds them.

Five sorts of module:

* *virtual*: written here, such as ``time`` and ``_thread``;
* *copied*: pure Python of the standard library in which the clock, threads, chance or the program's own
  output matter (:data:`COPIED`), run once more with this ``__import__``, so on the virtual ones;
* *own*: the files beside the script, packages without compiled parts, and pyzmq's front end, run for it alone;
* *shared*: all else, compiled packages among it: the module of the process;
* *refused*: what cannot be had in virtual time.

None of them enters ``sys.modules``; a program's own ``sys.modules`` is :attr:`Modules.loaded`.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.twin import backend
from harness.twin.front_end import backend_chosen
from harness.twin.virtual import chance, children, clock, event_loop, refusals, system, threads, tracebacks, tuning

if TYPE_CHECKING:
    from harness.twin.virtual.home import Home

COPIED: Final = frozenset(
    (
        *("argparse", "optparse", "fileinput", "getpass", "cmd", "code", "pprint", "traceback", "contextlib"),
        *("threading", "_threading_local", "queue", "concurrent", "asyncio", "sched", "selectors", "timeit"),
        *("logging", "random", "secrets", "uuid", "tempfile", "pickle", "shelve", "unittest", "doctest"),
        *("http", "urllib", "xmlrpc", "socketserver", "smtplib", "ftplib", "poplib", "imaplib", "email", "wsgiref"),
    )
)
"""Top-level names in the standard library of which each program has its own copy."""

_PARTS_IN_C: Final = frozenset(("_queue", "_pickle", "_uuid", "_asyncio"))
"""Compiled parts that would bypass the virtual modules; their users are as content without them."""

_VIRTUAL: Final[dict[str, Callable[[Modules], types.ModuleType]]] = {
    "time": lambda modules: clock.time_module(modules.home.clock),
    "datetime": lambda modules: clock.datetime_module(modules.home.clock),
    "_thread": lambda modules: threads.thread_module(modules.home.threads),
    "sys": system.sys_module,
    "os": system.os_module,
    "signal": system.signal_module,
    "select": system.select_module,
    "socket": system.socket_module,
    "subprocess": system.subprocess_module,
    "atexit": system.atexit_module,
    "multiprocessing": children.process_module,
    "importlib": system.importlib_module,
}

_AFTERWARDS: Final[dict[str, Callable[[types.ModuleType, Modules], None]]] = {
    "random": chance.seed_random,
    "uuid": chance.give_node,
    "traceback": tracebacks.tidy_module,
    "threading": tuning.watch_events,
    "asyncio": event_loop.give_loop,
    "queue": tuning.watch_queues,
    "zmq.sugar.poll": tuning.watch_polls,
    "zmq.sugar.socket": tuning.number_sockets,
    "asyncio.futures": tuning.number_futures,
    "concurrent.futures._base": tuning.number_futures,
}
"""What is done to a copy once it has been run."""

_ZMQ: Final = "zmq"

_BEFORE_THE_SCRIPT: Final = frozenset(
    ("os", "io", "abc", "site", "stat", "codecs", "encodings", "posixpath", "genericpath", "_collections_abc")
)

_PURE_ENOUGH: Final = (_ZMQ, "tornado")
"""Packages with compiled parts that are run for a program all the same, as these parts can be done without."""


class Modules:
    """Loads and keeps the modules of the program that is at home here."""

    home: Home

    def __init__(self, home: Home) -> None:
        self.home = home
        self.builtins = types.ModuleType("builtins", builtins.__doc__)
        self.builtins.__dict__.update(vars(builtins))
        system.replace(self.builtins, **system.built_in(self))
        self.loaded: dict[str, types.ModuleType] = {"builtins": self.builtins}
        self._compiled: dict[str, bool] = {}
        self._beside: dict[str, bool] = {}

    # -- import ------------------------------------------------------------------------------------

    def import_(
        self, name: str, globals_: Any = None, _locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> types.ModuleType:
        """``__import__`` of this program. Raises ImportError, and whatever a module raises."""
        full = self.resolve(name, globals_ or {}, level) if level else name
        module = self.load(full)
        if not fromlist:
            if level:
                cut = len(name) - len(name.partition(".")[0])
                return self.load(full[: len(full) - cut]) if cut else module
            return self.load(full.partition(".")[0])
        if hasattr(module, "__path__"):
            wanted = list(fromlist)
            if "*" in wanted:
                wanted = [item for item in wanted if item != "*"] + list(getattr(module, "__all__", ()))
            for item in wanted:
                if not hasattr(module, item):
                    self._load_if_there(f"{full}.{item}")
        return module

    def _load_if_there(self, full: str) -> None:
        # When it is no module, the import statement itself says what is missing.
        try:
            self.load(full)
        except ModuleNotFoundError as error:
            if error.name != full:
                raise

    @staticmethod
    def resolve(name: str, globals_: Any, level: int) -> str:
        """The full name of a module that is named relatively. Raises ImportError."""
        package = globals_.get("__package__")
        if package is None:
            package = globals_.get("__name__") or ""
            if "__path__" not in globals_:
                package = package.rpartition(".")[0]
        if level:
            steps = package.rsplit(".", level - 1)
            if not package:
                raise ImportError("attempted relative import with no known parent package")
            if len(steps) < level:
                raise ImportError("attempted relative import beyond top-level package")
            return f"{steps[0]}.{name}" if name else str(steps[0])
        return name

    def load(self, full: str) -> types.ModuleType:
        """The module of that full name, run once. Raises ImportError, and whatever the module raises."""
        module = self.loaded.get(full)
        if module is not None:
            return module
        if full == backend.__name__:
            return importlib.import_module(full)  # whatever a program may have that is called so
        parent, _, child = full.rpartition(".")
        if parent:
            self.load(parent)
            if full in self.loaded:
                return self.loaded[full]
        module = self._make(full)
        module = self.loaded.setdefault(full, module)
        if parent:
            setattr(self.loaded[parent], child, module)
        return module

    def reload(self, module: types.ModuleType) -> types.ModuleType:
        """``importlib.reload``. Raises ImportError."""
        spec = module.__spec__
        if spec is None or self.loaded.get(spec.name) is not module:
            raise ImportError(f"module {module.__name__} not in sys.modules", name=module.__name__)
        self._run(module, spec)
        return module

    # -- the five sorts ----------------------------------------------------------------------------

    def _make(self, full: str) -> types.ModuleType:
        top = full.partition(".")[0]
        if self._stands_beside_the_script(top):
            return self._copy(full, self._find(full))
        if full in _VIRTUAL:
            return _VIRTUAL[full](self)
        if top in refusals.REFUSED_MODULES:
            raise refusals.NotVirtualModuleError(f"{top} cannot be simulated: {refusals.REFUSED_MODULES[top]}")
        if top == "multiprocessing" and importlib.util.find_spec(full) is not None:
            return refusals.absent_module(full)
        if full in _PARTS_IN_C:
            raise ModuleNotFoundError(f"No module named {full!r}", name=full)
        if top == "harness" or (top in sys.stdlib_module_names and top not in COPIED):
            return importlib.import_module(full)
        spec = self._find(full)
        compiled = isinstance(spec.loader, importlib.machinery.ExtensionFileLoader)
        if (compiled and top in _PURE_ENOUGH) or (spec.loader is not None and not hasattr(spec.loader, "get_code")):
            raise ModuleNotFoundError(f"No module named {full!r} in a simulation", name=full)
        if top not in _PURE_ENOUGH and top not in sys.stdlib_module_names and self._has_compiled_parts(top):
            return importlib.import_module(full)
        module = self._copy(full, spec)
        afterwards = _AFTERWARDS.get(full)
        if afterwards is not None:
            afterwards(module, self)
        return module

    def _stands_beside_the_script(self, top: str) -> bool:
        # There Python looks first, but for what is built in and for what is imported before any script begins.
        if top in _BEFORE_THE_SCRIPT or top in sys.builtin_module_names:
            return False
        known = self._beside.get(top)
        if known is None:
            spec = importlib.machinery.PathFinder.find_spec(top, self.home.path[:1])
            known = spec is not None and hasattr(spec.loader, "get_code")
            self._beside[top] = known = known and not isinstance(
                spec.loader if spec else None, importlib.machinery.ExtensionFileLoader
            )
        return known

    def _copy(self, full: str, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = importlib.util.module_from_spec(spec)
        self.loaded[full] = module
        parent, _, child = full.rpartition(".")
        if parent and not hasattr(self.loaded[parent], child):
            # Python sets this afterwards; whoever imports in a circle it refers to its own sys.modules.
            setattr(self.loaded[parent], child, module)
        try:
            self._run(module, spec)
        except BaseException:
            self.loaded.pop(full, None)
            raise
        return self.loaded.get(full, module)

    def _find(self, full: str) -> importlib.machinery.ModuleSpec:
        parent = full.rpartition(".")[0]
        path = list(getattr(self.loaded[parent], "__path__", ())) if parent else [*self.home.path]
        spec = importlib.machinery.PathFinder.find_spec(full, path)
        if spec is None:
            not_a_package = parent and not hasattr(self.loaded[parent], "__path__")
            more = f"; {parent!r} is not a package" if not_a_package else ""
            raise ModuleNotFoundError(f"No module named {full!r}{more}", name=full)
        return spec

    def _has_compiled_parts(self, top: str) -> bool:
        known = self._compiled.get(top)
        if known is None:
            spec = self._find(top)
            suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
            places = [Path(place) for place in spec.submodule_search_locations or ()]
            files = [str(spec.origin)] + [file.name for place in places for file in place.rglob("*") if file.suffix]
            known = self._compiled[top] = any(file.endswith(suffixes) for file in files)
        return known

    def _run(self, module: types.ModuleType, spec: importlib.machinery.ModuleSpec) -> None:
        loader: Any = spec.loader
        if loader is None:
            return  # a namespace package
        module.__dict__["__builtins__"] = vars(self.builtins)
        code = loader.get_code(spec.name)
        with backend_chosen() if spec.name == _ZMQ else contextlib.nullcontext():
            exec(code, module.__dict__)  # noqa: S102 - this is what an import does
