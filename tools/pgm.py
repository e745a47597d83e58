"""Builds pyzmq against a libzmq with pgm, in an environment of its own: what ``make pgm`` does.

pyzmq's wheels bring a libzmq without OpenPGM; Debian's has it. The environment holds that pyzmq and nothing else. The
rest comes from the environment of the harness, so both have the same Python. :mod:`harness.live.library` looks for it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from harness.live import library  # noqa: E402 (this file is run as it lies here)

LOCK = ROOT / "requirements" / "dev.txt"
PACKAGES = ("libzmq3-dev", "gcc", "g++", "pkg-config")
LIMIT_S = 600
"""For each command; the build takes half a minute on two cores."""


def main() -> None:
    """Build unless it is there; end with status 1 and a sentence where that cannot be."""
    found = library.with_pgm()
    if isinstance(found, library.Library):
        say(f"{found.python} has {found.describe()}")
        return
    prepare()
    target = library.PLACE
    say(f"building pyzmq against the libzmq of this machine into {target.name} (once; takes half a minute)")
    run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(target)], "no environment can be made")
    with tempfile.NamedTemporaryFile("w", prefix="pyzmq-", suffix=".txt") as locked:
        locked.write(locked_pyzmq(LOCK.read_text()))
        locked.flush()
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(library.python_of(target))]
        install = ["install", "-qq", "--no-deps", "--no-binary", "pyzmq", "--require-hashes", "-r", locked.name]
        # ZMQ_PREFIX is for a libzmq in one folder; Debian's has its files in several, which pkg-config knows.
        clean = {name: value for name, value in os.environ.items() if name != "ZMQ_PREFIX"}
        run(
            [*pip, *install], "pyzmq cannot be built; is the package index in reach?", {**clean, "PYZMQ_NO_BUNDLE": "1"}
        )
    found = library.with_pgm()
    if isinstance(found, str):
        give_up(f"it was built, and is of no use: {found}")
    say(f"{found.python} has {found.describe()}")


def locked_pyzmq(lock: str) -> str:
    """The lines of a lock file that say which pyzmq, hashes included."""
    found = re.search(r"^pyzmq==(?:[^\n]*\\\n)*[^\n]*", lock, re.MULTILINE)
    if found is None:
        give_up(f"{LOCK.name} names no pyzmq")
    return found[0] + "\n"


def prepare() -> None:
    """What the build needs of the system, installed where that is possible."""
    lacks = lacking()
    if not lacks:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        why = "there is no apt-get" if shutil.which("apt-get") is None else "only root may install it"
        give_up(f"missing: {', '.join(lacks)}; {why}. Install {' '.join(PACKAGES)}, or what they are elsewhere")
    say(f"installing {' '.join(PACKAGES)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    if subprocess.run(install, env=quiet, capture_output=True, timeout=LIMIT_S, check=False).returncode:
        # A list of packages that is not there, or names versions that are gone.
        run(["apt-get", "update", "-qq"], "the list of packages cannot be had", quiet)
        run(install, "the packages cannot be installed", quiet)
    if lacks := lacking():
        give_up(f"missing, although {' '.join(PACKAGES)} are installed: {', '.join(lacks)}")


def lacking() -> list[str]:
    """In words, what of the system the build has not."""
    lacks = [] if shutil.which("cc") or shutil.which("gcc") else ["a C compiler"]
    lacks += [] if shutil.which("c++") or shutil.which("g++") else ["a C++ compiler"]
    if shutil.which("pkg-config") is None:
        return [*lacks, "pkg-config"]
    known = subprocess.run(["pkg-config", "--exists", "libzmq"], timeout=LIMIT_S, check=False)
    return lacks if known.returncode == 0 else [*lacks, "libzmq with its headers"]


def run(command: list[str], problem: str, environment: dict[str, str] | None = None) -> None:
    """Run it, or give up with the last lines of what it said."""
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        give_up(f"{problem} ({error})")
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        give_up(f"{problem}\n{last}")


def say(text: str) -> None:
    """To whoever called make."""
    sys.stderr.write(f"pgm: {text}\n")


def give_up(reason: str) -> NoReturn:
    """No traceback: the reason is what counts."""
    say(reason)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
