"""Compile the live recorder's fast calls beside their source, where there is what that takes.

A hook for hatchling, that is, for every installation of the package; and a command of its own. Without a C compiler
nothing fails: the calls are there in Python, too.

    python hatch_build.py       compile if need be, and say so if it cannot be done
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path(__file__).resolve().parent / "harness" / "live" / "_fast.c"
NAME = "_fast.abi3.so"
LIMIT_S = 120


class CannotCompileError(Exception):
    """Something that it takes is not there, or failed; in words."""


def build(folder: Path = SOURCE.parent, flags: Sequence[str] = ()) -> Path:
    """Compile into that folder, unless that has been done; give the path. Raises CannotCompileError."""
    made = folder / NAME
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    try:
        if made.is_file() and digest.encode() in made.read_bytes():
            return made
        command = [*tools(), "-O2", "-shared", "-fPIC", *flags, f'-DSOURCE="{digest}"']
        with tempfile.TemporaryDirectory(dir=folder, prefix=".compile-") as scratch:
            output = Path(scratch) / NAME
            done = subprocess.run(
                [*command, str(SOURCE), "-o", str(output)],
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
            if done.returncode:
                raise CannotCompileError(f"{command[0]}: {done.stderr.strip() or done.returncode}")
            output.replace(made)
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotCompileError(str(error)) from error
    return made


def tools() -> list[str]:
    """The C compiler (of the variable CC, the one that Python was built with, or cc), told where Python's headers are.

    Raises CannotCompileError.
    """
    if sys.platform != "linux" or sys.implementation.name != "cpython":
        raise CannotCompileError("that is compiled for CPython on Linux only")
    headers = sysconfig.get_path("include")
    if not (Path(headers) / "Python.h").is_file():
        raise CannotCompileError(f"no Python.h in {headers}")
    for named in (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc"):
        command = shlex.split(named or "")
        if command and shutil.which(command[0]):
            return [*command, f"-I{headers}"]
    raise CannotCompileError("no C compiler found")


class CustomBuildHook(BuildHookInterface[Any]):
    """Puts what was compiled into the wheel, whose name says then what machine it is for."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is built, or the source made importable where it stands (``editable``)."""
        try:
            made = build()
        except CannotCompileError as error:
            self.app.display_warning(text_of(error))
            return
        if version != "editable":
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
            build_data["force_include"][str(made)] = f"harness/live/{NAME}"


def text_of(error: CannotCompileError) -> str:
    """One line about it."""
    return f"live runs record in Python, which is slower: {str(error).splitlines()[0]}"


if __name__ == "__main__":
    try:
        build()
    except CannotCompileError as error:
        print(text_of(error), file=sys.stderr)
