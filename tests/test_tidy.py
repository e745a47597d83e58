"""The house is tidy: sizes, docstrings, the shape of extensions, nothing left lying about."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "harness"
MODULES = sorted(PACKAGE.rglob("*.py"))

FUNCTION_LINES = 70
MODULE_LINES = 400
COMPILED_LINES = 300
EXTENSION_LINES = 150

MAIN_FUNCTION = {"patterns": "build", "remedies": "apply", "faults": "schedule", "metrics": "measure", "plots": "draw"}
"""What each file of an extension folder offers."""
WITH_OPTIONS = ("patterns", "remedies", "faults")
"""Folders whose kinds are configured by the user, through a frozen class ``Options``."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def definitions(tree: ast.AST) -> Iterator[Definition]:
    return (node for node in ast.walk(tree) if isinstance(node, Definition))


def long_functions(source: str, limit: int) -> list[str]:
    return [
        f"{node.name} has {length} lines"
        for node in definitions(ast.parse(source))
        if not isinstance(node, ast.ClassDef) and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > limit
    ]


def undocumented(source: str) -> list[str]:
    """The module, public classes, public functions and public methods without a docstring."""
    tree = ast.parse(source)
    missing = [] if ast.get_docstring(tree) else ["the module"]
    scopes: list[ast.Module | ast.ClassDef] = [tree]
    while scopes:
        scope = scopes.pop()
        for node in scope.body:
            if not isinstance(node, Definition) or node.name.startswith("_"):
                continue
            # The stub of an overload and an overriding property setter say nothing new.
            decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
            if not ast.get_docstring(node) and not decorators & {"overload", "setter", "override"}:
                missing.append(node.name)
            if isinstance(node, ast.ClassDef):
                scopes.append(node)
    return missing


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_fits_its_limits(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") <= MODULE_LINES
    assert not long_functions(source, FUNCTION_LINES)
    assert path.name != "utils.py"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_all_that_is_public_is_documented(path: Path) -> None:
    assert not undocumented(path.read_text())


def test_the_measures_find_what_they_look_for() -> None:
    long = "def f():\n" + "    pass\n" * 5
    assert long_functions(long, 5) == ["f has 6 lines"]
    assert not long_functions(long, 6)
    assert undocumented("def f(): pass\nclass A:\n    'x'\n    def g(self): pass\n    def _h(self): pass") == [
        "the module",
        "f",
        "g",
    ]


def extensions() -> list[Path]:
    return [path for folder in MAIN_FUNCTION for path in sorted((PACKAGE / folder).glob("*.py")) if path.name[0] != "_"]


@pytest.mark.parametrize("path", extensions(), ids=name_of)
def test_an_extension_has_its_shape(path: Path) -> None:
    source = path.read_text()
    folder = path.parent.name
    assert source.count("\n") <= EXTENSION_LINES
    tree = ast.parse(source)
    top = [node for node in tree.body if isinstance(node, Definition)]
    names = [node.name for node in top]
    assert names.count(MAIN_FUNCTION[folder]) == 1
    if folder in WITH_OPTIONS:
        (options,) = (node for node in top if node.name == "Options")
        assert any("frozen=True" in ast.unparse(decorator) for decorator in options.decorator_list)
    first = (ast.get_docstring(tree) or "").partition("\n")[0]
    assert first.endswith("."), "the first line of the docstring is what `harness list` prints: one sentence"
    assert len(first) <= 120


def test_what_is_compiled_is_little() -> None:
    (source,) = PACKAGE.rglob("*.c")
    lines = source.read_text().splitlines()
    assert len(lines) <= COMPILED_LINES
    assert max(map(len, lines)) <= 120


def test_there_is_something_to_check() -> None:
    assert {path.parent.name for path in extensions()} == set(MAIN_FUNCTION)


# Every file that is, or would be, under version control.

TEXT = {
    ".py",
    ".pyi",
    ".c",
    ".md",
    ".toml",
    ".txt",
    ".yml",
    ".yaml",
    ".json",
    ".j2",
    ".html",
    ".css",
    ".js",
    ".cfg",
    ".ini",
    ".ipynb",
}
NAMED = {"Makefile", ".importlinter", ".gitignore", "LICENSE", "run"}
KEPT = {".ci", ".gitignore", ".importlinter"}
SKIPPED = {"build", "dist", "results", "site", "__pycache__"}
"""What is not under version control; used where there is no git to ask."""


def tracked_files() -> list[Path]:
    git = shutil.which("git")
    command = [git or "", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False) if git else None
    if listed is not None and listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        tops = [path for path in ROOT.iterdir() if path.name in KEPT or path.name[0] != "."]
        everything = [path for top in tops for path in (top, *top.rglob("*"))]
        paths = [path for path in everything if not SKIPPED & {*path.relative_to(ROOT).parts}]
    return [path for path in paths if path.is_file() and (path.suffix in TEXT or path.name in NAMED)]


# A path of somebody's machine; /tmp too, since temporary files go where `tempfile` says.
MACHINE_PATH = re.compile(r"(?<![\w.<*~\]-])/(?:work|root|home|Users|tmp|opt|mnt)/[\w.]")
LEFT_LYING = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")


@pytest.mark.parametrize(
    ("pattern", "bad", "good"),
    [
        (MACHINE_PATH, "see /" + "work/main", "the network/home page, results/tmp/x"),
        (LEFT_LYING, "# TO" + "DO: later", "mastodon"),
    ],
    ids=["machine-path", "left-lying"],
)
def test_nothing_is_left_lying_about(pattern: re.Pattern[str], bad: str, good: str) -> None:
    assert pattern.search(bad)
    assert not pattern.search(good)
    files = tracked_files()
    assert ROOT / "pyproject.toml" in files
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:100]}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {"dev": [*project["dependencies"], *project["optional-dependencies"]["dev"]]}
    wanted["docs"] = [*project["dependencies"], *project["optional-dependencies"]["docs"]]
    locks = {}
    for extra, requirements in wanted.items():
        text = (ROOT / "requirements" / f"{extra}.txt").read_text()
        assert "://" not in text, "no index, no address"
        locks[extra] = dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))
        names = {re.split(r"[\[<>=~!; ]", requirement)[0] for requirement in requirements}
        assert names <= locks[extra].keys()
        assert text.count("--hash=sha256:") >= len(locks[extra])
    shared = locks["dev"].keys() & locks["docs"].keys()
    assert {name: locks["dev"][name] for name in shared} == {name: locks["docs"][name] for name in shared}


def test_an_experiment_has_its_page() -> None:
    stems = {path.stem for path in (ROOT / "experiments").glob("*.toml")}
    pages = {path.stem for path in (ROOT / "docs" / "experiments").glob("*.md")} - {"index"}
    assert stems == pages


def is_part_of(part: object, whole: object) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and is_part_of(value, whole[key]) for key, value in part.items())
    return part == whole


def test_the_readme_shows_an_experiment_as_it_is() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = re.search(r"`(experiments/[\w-]+\.toml)`, somewhat shortened:\n\n```toml\n(.*?)```", readme, re.DOTALL)
    assert shown
    whole = tomllib.loads((ROOT / shown[1]).read_text())
    assert is_part_of(tomllib.loads(shown[2]), whole)
    assert not is_part_of({"pattern": {"rate": "no such rate"}}, whole)
