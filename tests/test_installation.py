"""The package as it is built: with the compiled part where there is a compiler, and without it elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMPILED = "harness/live/_fast.abi3.so"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What a wheel is built from, with nothing compiled."""
    made = tmp_path / "tree"
    shutil.copytree(ROOT / "harness", made / "harness", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, made / name)
    return made


def run(tree: Path, *arguments: str, **changes: str) -> str:
    """What it said on stderr."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": "", **changes},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def wheel(tree: Path, **changes: str) -> tuple[str, set[str], str]:
    """Its name, what is in it, and what was said."""
    said = run(tree, "-m", "hatchling", "build", "--target", "wheel", **changes)
    (path,) = (tree / "dist").iterdir()
    with zipfile.ZipFile(path) as archive:
        return path.name, set(archive.namelist()), said


def needs_compiler(tree: Path) -> None:
    if said := run(tree, "hatch_build.py"):
        pytest.skip(said)


def test_a_wheel_with_the_compiled_part_says_what_machine_it_is_for(tree: Path) -> None:
    needs_compiler(tree)
    (tree / COMPILED).unlink()
    name, files, _ = wheel(tree)
    assert "-cp311-abi3-linux_" in name
    assert {COMPILED, "harness/live/_fast.c", "harness/live/fast.py"} <= files


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"CC": "/bin/false"}, "/bin/false: 1"), ({"PATH": "/nowhere", "CC": "cc"}, "no C compiler found")],
)
def test_without_a_compiler_there_is_a_wheel_for_all(tree: Path, changes: dict[str, str], reason: str) -> None:
    name, files, said = wheel(tree, **changes)
    assert name.endswith("-py3-none-any.whl")
    assert COMPILED not in files
    assert "harness/live/fast.py" in files
    assert "slower" in said
    assert run(tree, "hatch_build.py", **changes) == f"live runs record in Python, which is slower: {reason}\n"


def test_what_was_compiled_of_another_source_is_compiled_anew(tree: Path) -> None:
    needs_compiler(tree)
    made = tree / COMPILED
    first = made.read_bytes()
    before = made.stat().st_mtime_ns
    run(tree, "hatch_build.py")
    assert made.stat().st_mtime_ns == before
    source = made.with_name("_fast.c")
    source.write_text(source.read_text() + "\n")
    run(tree, "hatch_build.py")
    assert made.read_bytes() != first
    assert [path.name for path in made.parent.iterdir() if path.name.startswith(".compile")] == []
