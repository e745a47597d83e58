"""The layers hold, and the contracts that keep them bite."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "harness"

SIMULATED = ("twin", "sim", "patterns", "remedies", "faults", "load.py", "node.py", "roles.py", "run.py")
"""What runs in virtual time, or is called from there."""


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the copy of the package in ``tree``."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    environment = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo"],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package and its contracts, to plant something in."""
    shutil.copytree(PACKAGE, tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def broken(output: str) -> set[str]:
    """Names of the contracts that were reported as broken."""
    return set(re.findall(r"^(\S.*\S) BROKEN", output, re.MULTILINE))


def test_the_contracts_hold(tree: Path) -> None:
    result = lint_imports(tree)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 broken" in result.stdout


FLOORS = "A floor knows only of those below it"
ROOMS = "Inside a package, too, only downwards"
WORLDS = "The two worlds never meet"
STRANGERS = "Patterns, remedies, faults, metrics and plots are strangers to one another"
TWIN_ALONE = "The twin knows nothing of experiments"
TWIN_GUARDED = "Only the simulated world knows the twin"
ZMQ = "Real sockets only in the live world"
SIMPY = "SimPy and greenlets only in the twin and the simulated world"
MATPLOTLIB = "Drawing only in the plots and the report"
CLOCK = "No wall clock and no module-state chance in what runs simulated"

PLANTED = [
    ("trace.py", "import harness.ledger as x\nimport harness.config", FLOORS),
    ("topology.py", "def late():\n    from harness import store", FLOORS),
    ("units.py", "from harness.patterns import pubsub", FLOORS),
    ("plan.py", "from harness import cli", FLOORS),
    ("patterns/pubsub.py", "import harness.sim", FLOORS),
    ("faults/slow.py", "from harness import live", FLOORS),
    ("metrics/loss.py", "from harness import compare", FLOORS),
    ("sim/world.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from harness import config", FLOORS),
    ("guard.py", "import harness.live", FLOORS),
    ("units.py", "import harness.problems", FLOORS),
    ("ledger/columns.py", "from harness import metrics", FLOORS),
    ("newcomer.py", "", FLOORS),
    ("ledger/columns.py", "from harness.ledger import observed", ROOMS),
    ("config/sockets.py", "from harness.config.fields import Field", ROOMS),
    ("cli/console.py", "def late():\n    import harness.cli.verdicts", ROOMS),
    ("report/newcomer.py", "", ROOMS),
    ("sim/world.py", "import harness.live", WORLDS),
    ("live/world.py", "import harness.sim.world", WORLDS),
    ("metrics/loss.py", "from harness.patterns import pubsub", STRANGERS),
    ("plots/__init__.py", "import harness.metrics", STRANGERS),
    ("faults/slow.py", "import harness.patterns.pubsub", STRANGERS),
    ("remedies/_parts.py", "from harness.patterns import reqrep", STRANGERS),
    ("twin/__init__.py", "import harness.topology", TWIN_ALONE),
    ("twin/pipe.py", "from harness.trace import Kind", TWIN_ALONE),
    ("twin/kernel.py", "import harness.newcomer", TWIN_ALONE),
    ("live/world.py", "import harness.twin", TWIN_GUARDED),
    ("patterns/pubsub.py", "from harness.twin import options", TWIN_GUARDED),
    ("newcomer.py", "import harness.twin.pipe", TWIN_GUARDED),
    ("patterns/pubsub.py", "import zmq", ZMQ),
    ("twin/__init__.py", "import zmq.sugar", ZMQ),
    ("newcomer.py", "def late():\n    from zmq import Context", ZMQ),
    ("live/world.py", "import simpy", SIMPY),
    ("node.py", "import greenlet", SIMPY),
    ("newcomer.py", "from simpy import Environment", SIMPY),
    ("compare/__init__.py", "import matplotlib.pyplot as plt", MATPLOTLIB),
    ("report/__init__.py", "import matplotlib", MATPLOTLIB),
    ("cli/tables.py", "from matplotlib.figure import Figure", MATPLOTLIB),
    ("twin/kernel.py", "import time", CLOCK),
    ("sim/world.py", "from datetime import datetime", CLOCK),
    ("load.py", "import random", CLOCK),
    ("patterns/pubsub.py", "def late():\n    from time import sleep", CLOCK),
    ("faults/slow.py", "import secrets", CLOCK),
]


@pytest.mark.parametrize(("where", "code", "contract"), PLANTED)
def test_a_planted_import_is_found(tree: Path, where: str, code: str, contract: str) -> None:
    target = tree / "harness" / where
    if "newcomer" in where + code:
        newcomer = target if target.stem == "newcomer" else tree / "harness" / "newcomer.py"
        newcomer.write_text('"""A module that the contracts do not name."""\n')
    assert target.exists(), f"{where} is no longer there: plant the import elsewhere"
    target.write_text(f"{target.read_text()}\n{code}\n")
    result = lint_imports(tree)
    assert result.returncode == 1, result.stdout + result.stderr
    assert contract in broken(result.stdout)


def test_every_contract_is_put_to_the_test() -> None:
    named = set(re.findall(r"^name = (.+)$", (ROOT / ".importlinter").read_text(), re.MULTILINE))
    assert {contract for _, _, contract in PLANTED} == named


# Sets: their order depends on hashes, hence on PYTHONHASHSEED or on addresses.

ORDERED = frozenset({"sorted", "len", "min", "max", "sum", "any", "all", "set", "frozenset", "bool"})
"""Calls that give the same for a set in whichever order it is iterated."""
SET_TYPES = re.compile(r"^(typing\.)?(set|frozenset|Set|FrozenSet|AbstractSet|MutableSet)(\[|$)")
SET_METHODS = frozenset({"union", "intersection", "difference", "symmetric_difference"})


class Sets(ast.NodeVisitor):
    """Finds where a module depends on the order of a set.

    A name or attribute counts as a set throughout the module once it is annotated as one or assigned one.
    """

    def __init__(self, module: ast.Module) -> None:
        self.found: list[tuple[int, str]] = []
        self._names: set[str] = set()
        for node in ast.walk(module):
            if isinstance(node, ast.AnnAssign) and SET_TYPES.match(ast.unparse(node.annotation)):
                self._names.add(ast.unparse(node.target))
            elif isinstance(node, ast.arg) and node.annotation and SET_TYPES.match(ast.unparse(node.annotation)):
                self._names.add(node.arg)
            elif isinstance(node, ast.Assign) and self._is_set(node.value):
                self._names.update(ast.unparse(target) for target in node.targets)
        self.visit(module)

    def _is_set(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                return function.id in {"set", "frozenset"}
            return (
                isinstance(function, ast.Attribute)
                and function.attr in {*SET_METHODS, "copy"}
                and self._is_set(function.value)
            )
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
            return self._is_set(node.left) or self._is_set(node.right)
        return isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in self._names

    def _check(self, node: ast.expr) -> None:
        if self._is_set(node):
            self.found.append((node.lineno, ast.unparse(node)))

    def visit_For(self, node: ast.For) -> None:
        self._check(node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._check(node.iter)
        self.generic_visit(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        self._check(node.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id not in ORDERED:
            taken = node.args if node.func.id in {"list", "tuple", "iter", "enumerate", "zip", "map", "next"} else []
            for argument in taken:
                self._check(argument)
        elif isinstance(node.func, ast.Attribute) and node.func.attr in {"pop", "extend", "join", "fromkeys"}:
            for argument in [node.func.value] if node.func.attr == "pop" else node.args:
                self._check(argument)
        self.generic_visit(node)


def simulated_files() -> Iterator[Path]:
    for name in SIMULATED:
        path = PACKAGE / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def test_no_order_of_a_set_in_what_runs_simulated() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in simulated_files()
        for line, text in Sets(ast.parse(path.read_text())).found
    ]
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        "for x in {1, 2}: pass",
        "for x in set(y): pass",
        "[x for x in frozenset(y)]",
        "{x: 1 for x in {a for a in y}}",
        "names = set()\nfor x in names: pass",
        "class A:\n    def f(self):\n        self.pipes: set[int] = set()\n        return list(self.pipes)",
        "def f(names: frozenset[str]): return ','.join(names)",
        "a = {1}\nb = a | c\nfirst = next(iter(b))",
        "a = {1}\na.pop()",
        "a = {1}\nb = [*a]",
        "a = {1}\nfor x in a.difference(c): pass",
    ],
)
def test_an_order_of_a_set_is_found(code: str) -> None:
    assert Sets(ast.parse(code)).found


@pytest.mark.parametrize(
    "code",
    [
        "for x in sorted({1, 2}): pass",
        "names = set()\nnames.add(1)\nif 1 in names: pass",
        "n = len({1, 2})",
        "d = {'a': 1}\nfor x in d: pass",
        "a = [1]\na.pop()",
    ],
)
def test_a_set_that_is_only_asked_is_no_find(code: str) -> None:
    assert not Sets(ast.parse(code)).found


# numpy's module state: seeded by nobody, shared by all.

MODULE_STATE = re.compile(r"\bnp\.random\.(?!Generator\b|PCG64\b|SeedSequence\b|BitGenerator\b)\w+")


def test_no_chance_but_from_a_generator_that_was_passed_in() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in simulated_files()
        for match in MODULE_STATE.finditer(path.read_text())
    ]
    assert not found
    assert MODULE_STATE.search("np.random.random()")
    assert MODULE_STATE.search("np.random.default_rng()")
    assert not MODULE_STATE.search("np.random.Generator(np.random.PCG64(1))")
