"""``python -m harness.twin SCRIPT [ARGUMENTS]``: run programs of plain pyzmq in virtual time."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import sys
from typing import Any

from harness.twin.runner.main import main


def _start_again_if_hashes_differ() -> None:
    # The order of a set of texts differs from process to process, unless Python is told before it starts.
    if sys.flags.hash_randomization and "PYTHONHASHSEED" not in os.environ:
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very program again


def _flush_files() -> None:
    # Files that a program has left open, as the interpreter does when it ends. Some objects answer isinstance
    # with code of their own, so their types are asked.
    kinds = (io.TextIOWrapper, io.BufferedWriter)
    opened: list[Any] = [thing for thing in gc.get_objects() if issubclass(type(thing), kinds)]
    for file in [*opened, sys.stdout, sys.stderr]:
        with contextlib.suppress(OSError, ValueError):
            file.flush()


if __name__ == "__main__":
    _start_again_if_hashes_differ()
    os.environ["TZ"] = "UTC"  # for those modules that programs share with the process
    importlib.import_module("time").tzset()
    status = main(sys.argv[1:])
    _flush_files()
    # At once: what programs would still do when their threads are taken away is no part of the run.
    os._exit(status)
