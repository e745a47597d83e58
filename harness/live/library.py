"""Which pyzmq the nodes of a live run use: the one that runs here, or one whose libzmq has pgm.

pyzmq's wheels bring a libzmq without pgm. ``make pgm`` makes an environment that holds a pyzmq which was built against
one that has it, and nothing else; a process of that Python finds the rest where this process does. All nodes of a run
use the same library, so a run with a pgm endpoint uses that one throughout.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import zmq

from harness.live.processes import environment
from harness.topology import Topology

PLACE = Path(__file__).resolve().parents[2] / ".venv-pgm"
"""Where ``make pgm`` puts it: beside the package, in the folder that was checked out."""

VARIABLE = "HARNESS_PGM"
"""Names another environment of that kind (its folder)."""

HELP = f"run `make pgm` in the folder of zmq-harness, or name an environment in {VARIABLE}"

_LIMIT_S = 10.0
_ASK = """
import json, sys, zmq
print(json.dumps([".".join(map(str, sys.version_info[:2])), zmq.pyzmq_version(), zmq.zmq_version(), zmq.has("pgm")]))
"""


@dataclass(frozen=True, slots=True)
class Library:
    """One pyzmq.

    Attributes:
        python: executable of the interpreter that nodes run in.
        packages: folder where it finds that pyzmq; None for the one that this process has imported.
        pyzmq, libzmq: versions.
    """

    python: str
    packages: str | None
    pyzmq: str
    libzmq: str

    def environment(self) -> dict[str, str]:
        """Variables for a process of a node: what this process can import it can, and this pyzmq comes first."""
        return environment(() if self.packages is None else (self.packages,))

    def versions(self) -> dict[str, str]:
        """For ``Trace.environment``."""
        return {"pyzmq": self.pyzmq, "libzmq": self.libzmq}

    def describe(self) -> str:
        """In words."""
        return f"pyzmq {self.pyzmq} on libzmq {self.libzmq}"


class NoPgmError(OSError):
    """There is no library with pgm, and why."""


def library_of(topology: Topology) -> Library:
    """The library that the nodes of this topology run on. Raises NoPgmError."""
    if zmq.has("pgm") or not topology.multicast:
        return own()
    found = with_pgm()
    if isinstance(found, str):
        raise NoPgmError(f"{found}; {HELP}")
    return found


def own() -> Library:
    """The library that this process has imported."""
    return Library(sys.executable, None, zmq.pyzmq_version(), zmq.zmq_version())


def with_pgm() -> Library | str:
    """The library with pgm, or in words why there is none."""
    place = Path(os.environ.get(VARIABLE) or PLACE)
    python = python_of(place)
    if not python.exists():
        return f"there is no {python}"
    packages = sysconfig.get_path("platlib", vars={"base": str(place), "platbase": str(place)})
    try:
        asked = subprocess.run(
            [python, "-c", _ASK],
            env=environment((packages,)),
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{python} cannot be run ({error})"
    try:
        version, pyzmq, libzmq, has_pgm = json.loads(asked.stdout)
    except ValueError:
        last = asked.stderr.strip().rpartition("\n")[2]
        return f"{python} has no pyzmq that works ({last or 'it said nothing'})"
    this = ".".join(platform.python_version_tuple()[:2])
    if version != this:
        return f"{python} is Python {version}, and this is {this}"
    if not has_pgm:
        return f"the libzmq {libzmq} of {python} was built without OpenPGM"
    return Library(str(python), packages, pyzmq, libzmq)


def python_of(place: Path) -> Path:
    """The interpreter of an environment."""
    return place / "bin" / "python"
