"""Run pyzmq's own test suite on the real library and on the twin, and hold the twin to what it has passed before.

The suite comes with pyzmq's source distribution, which is fetched at need and never kept under version control. A test
that does not pass on the twin has to be named in ``exceptions.toml`` with the reason; one that is named there and
passes is an error, too, so that the list stays true. Use it as::

    python -m tests.pyzmq_suite.suite [--twin-only]

Exit status: 0 all as listed, 1 not, 75 when the source distribution could not be fetched.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .coroutines import LAST, RESULTS

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "pyzmq-suite"
EXCEPTIONS = Path(__file__).with_name("exceptions.toml")

FETCH_LIMIT_S = 240
RUN_LIMIT_S = 600
NOT_FETCHED = 75
"""EX_TEMPFAIL of sysexits.h: nothing is wrong, try again with a network."""

# Not run in either world: they need several GB of memory.
SELECTED = "not large"


class NotFetchedError(Exception):
    """There is no source distribution, and none could be fetched."""


@dataclass(frozen=True)
class Run:
    """What became of the suite in one world."""

    world: str
    results: dict[str, dict[str, str]]
    wall_s: float

    def tests(self, outcome: str) -> set[str]:
        return {test for test, result in self.results.items() if result["outcome"] == outcome}

    def __str__(self) -> str:
        counts = Counter(result["outcome"] for result in self.results.values())
        said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped"))
        return f"{self.world:4}  {said}  in {self.wall_s:.1f} s"


def fetch() -> Path:
    """The folder with the tests of the installed pyzmq. Raises NotFetchedError."""
    version = importlib.metadata.version("pyzmq")
    folder = BUILD / f"pyzmq-{version}"
    if folder.is_dir():
        return folder
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download", "--no-deps"]
        command += ["--no-binary", "pyzmq", "--dest", scratch, f"pyzmq=={version}"]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=FETCH_LIMIT_S)
        except (OSError, subprocess.SubprocessError) as error:
            told = str(getattr(error, "stderr", "") or error).strip().splitlines()
            raise NotFetchedError(f"no source distribution of pyzmq {version}: {told[-1] if told else error}") from None
        (archive,) = Path(scratch).glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            inside = f"pyzmq-{version}/"
            wanted = [
                member
                for member in packed.getmembers()
                if member.name.startswith(f"{inside}tests/") or member.name == f"{inside}pytest.ini"
            ]
            packed.extractall(Path(scratch) / "unpacked", wanted, filter="data")
        if not wanted:
            raise NotFetchedError(f"the source distribution of pyzmq {version} has no tests")
        (Path(scratch) / "unpacked" / folder.name).rename(folder)
    return folder


def exceptions() -> dict[str, str]:
    """Tests that do not pass on the twin, each with the reason."""
    listed = tomllib.loads(EXCEPTIONS.read_text())["exception"]
    return {test: group["reason"] for group in listed for test in group["tests"]}


def run(world: str, folder: Path, tests: Sequence[str] = ()) -> Run:
    """Run the suite in that world."""
    plugins = ["pyzmq_suite.coroutines", *(["pyzmq_suite.simulated"] if world == "sim" else [])]
    command = [sys.executable, "-m", "pytest", "-c", "pytest.ini", "-q", "--disable-warnings", "-m", SELECTED]
    for name in (*plugins, "no:cacheprovider", "no:hypothesispytest", "no:xdist", "no:timeout"):
        command += ["-p", name]
    results = BUILD / f"{world}.json"
    results.unlink(missing_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYZMQ_"))},
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "tests"), str(ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONSAFEPATH": "1",  # the folder has a `zmq` of its own in some versions
        RESULTS: str(results),
        LAST: json.dumps(sorted(exceptions())),
    }
    began = time.monotonic()
    with (BUILD / f"{world}.log").open("w") as log:
        subprocess.run(
            [*command, *tests], cwd=folder, env=environment, stdout=log, stderr=log, timeout=RUN_LIMIT_S, check=False
        )
    wall_s = time.monotonic() - began
    if not results.exists():
        raise RuntimeError(f"the suite did not run to its end: see {BUILD / f'{world}.log'}")
    return Run(world, json.loads(results.read_text()), wall_s)


def complaints(twin: Run) -> list[str]:
    """What is not as the list of exceptions says."""
    listed = exceptions()
    failed = twin.tests("failed")
    found = [f"{test} does not pass: {last_line(twin, test)}" for test in sorted(failed - listed.keys())]
    found += [f"{test} passes, but is listed as an exception" for test in sorted(twin.tests("passed") & listed.keys())]
    there = twin.results.keys() | {test for test in listed if test.partition("::")[0] in twin.tests("skipped")}
    found += [f"{test} is listed as an exception, but there is no such test" for test in sorted(listed.keys() - there)]
    return found


def last_line(run: Run, test: str) -> str:
    lines = [line for line in run.results[test]["why"].splitlines() if line.startswith("E ")]
    return (lines or run.results[test]["why"].splitlines() or [""])[-1].lstrip("E ")


def main() -> int:
    """Run and compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--twin-only", action="store_true", help="do not run it on the real library")
    options = parser.parse_args()
    try:
        folder = fetch()
    except NotFetchedError as error:
        print(f"not run: {error}", file=sys.stderr)
        return NOT_FETCHED
    print(f"{folder.name}: its own tests, except those that need several GB of memory")
    twin = run("sim", folder)
    print(twin)
    if not options.twin_only:
        real = run("live", folder)
        print(real)
        only_real = real.tests("passed") - twin.tests("passed")
        print(f"      {len(only_real)} pass on the real library and not on the twin; {len(exceptions())} are listed")
    found = complaints(twin)
    for complaint in found:
        print(complaint)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
