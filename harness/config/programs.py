"""What a user's program looks like, found by reading its source and never by running it.

A program named in an experiment is code: it runs when the user runs that experiment, not when the
file is checked. So the options class of ``mine.py:function`` is read from its syntax tree.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import run
from harness.config.fields import Field, fields_of
from harness.load import Arrivals, Service
from harness.problems import did_you_mean
from harness.units import MIB, Within

_HINTS: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "Service": Service,
    "load.Service": Service,
    "Arrivals": Arrivals,
    "load.Arrivals": Arrivals,
}
_FORM = 'write "mine.py:function" (a path is taken from the folder of the experiment) or "package.module:function"'


def resolve(reference: str, folder: Path) -> str:
    """The reference with its path made absolute. Raises ValueError."""
    where, colon, function = reference.rpartition(":")
    if not colon or not where or not function.isidentifier():
        raise ValueError(f"names no function; {_FORM}")
    if not where.endswith(".py"):
        return reference
    path = (folder / where).resolve()
    if not path.is_file():
        raise ValueError(f"there is no file {where} in the folder of the experiment; {_FORM}")
    return f"{path}:{function}"


def program_fields(reference: str) -> tuple[Field, ...] | None:
    """Fields of the options class of a resolved program; None when it has no class that can be read.

    Programs of the harness itself are imported, all others only read. Raises ValueError.
    """
    where, _, name = reference.rpartition(":")
    if where.startswith("harness."):
        return _own_fields(reference, where, name)
    path = Path(where) if where.endswith(".py") else _find_module(where)
    function, classes = _parse(path, name)
    if function is None:
        return None
    parameters = [*function.args.posonlyargs, *function.args.args]
    required = len(parameters) - len(function.args.defaults)
    if len(parameters) < 2 or required > 2 or any(default is None for default in function.args.kw_defaults):
        raise ValueError(f"{name} is called with two arguments: write def {name}(node, options)")
    annotation = parameters[1].annotation
    cls = classes.get(ast.unparse(annotation).strip("'\"")) if annotation is not None else None
    return None if cls is None else _class_fields(cls)


def known_fields(reference: str) -> tuple[Field, ...] | None:
    """As :func:`program_fields`; None as well for a program that is none, which was noted where it was named."""
    try:
        return program_fields(reference) if reference else None
    except (ValueError, OSError):
        return None


def without_socket(fields: tuple[Field, ...] | None) -> bool:
    """Whether an options class is known to have no field for socket options."""
    return fields is not None and all(field.name != "socket" for field in fields)


def _own_fields(reference: str, where: str, name: str) -> tuple[Field, ...] | None:
    try:
        _, cls = run.load_program(reference)
    except ImportError:
        raise ValueError(f"there is no module {where} here; {_FORM}") from None
    except (AttributeError, TypeError, NameError):
        cls = None
    if cls is None:
        raise ValueError(f"{name} of {where} is no program; {_FORM}")
    return fields_of(cls)


def _find_module(where: str) -> Path:
    """The source of a module, without importing the packages that it is in."""
    top, *rest = where.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        raise ValueError(f"there is no module {top} here; {_FORM}")
    if not rest and spec.origin and spec.origin.endswith(".py"):
        return Path(spec.origin)
    for folder in spec.submodule_search_locations or ():
        base = Path(folder, *rest)
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    raise ValueError(f"there is no Python source of {where}; {_FORM}")


def _parse(path: Path, name: str) -> tuple[ast.FunctionDef | None, dict[str, ast.ClassDef]]:
    try:
        if path.stat().st_size > MIB:
            raise ValueError(f"{path.name} is larger than 1MiB; {_FORM}")
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise ValueError(f"{path.name}, line {error.lineno}, is not Python: {error.msg}; {_FORM}") from None
    except (OSError, RecursionError, MemoryError) as error:
        raise ValueError(f"{path.name} cannot be read: {type(error).__name__}; {_FORM}") from None
    classes = {item.name: item for item in tree.body if isinstance(item, ast.ClassDef)}
    functions = {item.name: item for item in tree.body if isinstance(item, ast.FunctionDef)}
    if name in functions:
        return functions[name], classes
    if any(isinstance(item, ast.AsyncFunctionDef) and item.name == name for item in tree.body):
        raise ValueError(f"{name} is asynchronous; a program is an ordinary function: write def {name}(node, options)")
    if name in _bound_names(tree.body):
        return None, classes
    raise ValueError(f"{path.name} has no function {name}; {did_you_mean(name, functions)}")


def _bound_names(body: Sequence[ast.stmt]) -> list[str]:
    """Names that are imported or assigned: functions perhaps, which only running the file would show."""
    names: list[str] = []
    for item in body:
        if isinstance(item, (ast.Import, ast.ImportFrom)):
            names += [alias.asname or alias.name for alias in item.names]
        elif isinstance(item, ast.Assign):
            names += [target.id for target in item.targets if isinstance(target, ast.Name)]
        elif not isinstance(item, ast.Expr) and hasattr(item, "body"):
            names += [inner.name for inner in ast.walk(item) if isinstance(inner, ast.FunctionDef)]
    return names


def _class_fields(cls: ast.ClassDef) -> tuple[Field, ...] | None:
    """None when fields may come from elsewhere: a base class, or a class that is no dataclass."""
    decorators = [ast.unparse(item) for item in cls.decorator_list]
    if cls.bases or not any(item.partition("(")[0].endswith("dataclass") for item in decorators):
        return None
    return tuple(
        _field(item.target.id, item)
        for item in cls.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    )


def _field(name: str, item: ast.AnnAssign) -> Field:
    hint = _HINTS.get(ast.unparse(item.annotation).strip("'\"").removesuffix(" | None"), Any)
    # What a number of the user's own program may be is the program's business.
    within = Within(-(2**63), 2**63 - 1) if hint in (int, float) else None
    field = Field(name, hint, required=item.value is None)
    return field if field.unit else dataclasses.replace(field, within=within)
