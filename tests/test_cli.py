"""The command line, as people and scripts use it."""

from __future__ import annotations

import dataclasses
import html
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from harness import __version__, cli, doctor, execute, store
from harness.run import Run
from harness.trace import Kind, Trace

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ("run", "check", "list", "compare", "report", "doctor")

EXPERIMENT = """
title     = "Tiny & lossy"
question  = "How much is lost?"
duration  = "200ms"
exercises = ["hwm_sender"]
seeds     = 12
replications = 6

[pattern]
kind        = "pubsub"
rate        = "1k/s"
size        = "2kB"
subscribers = { fast = 1, slow = 1 }

[node.pub]
options = { sndhwm = 10, sndbuf = "8KiB" }

[node.slow]
service = { constant = "5ms" }
options = { rcvhwm = 10, rcvbuf = "8KiB" }
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(EXPERIMENT)
    return path


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


Harness = Callable[..., Answer]


@pytest.fixture
def harness(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Harness:
    """The command line in this process, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "150")

    def call(*words: object) -> Answer:
        capfd.readouterr()
        status = cli.main([str(word) for word in words])
        return Answer(status, *capfd.readouterr())

    return call


def harness_process(*words: object, cwd: Path = ROOT, **options: Any) -> Answer:
    """The command line as ``python -m harness``."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        **options,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Live runs are played by the simulation, and leave what an observer would see of them."""

    def played(run: Run) -> Trace:
        trace = for_real(dataclasses.replace(run, world="sim"))
        if run.world == "sim":
            return trace
        seen = ~np.isin(trace.records["kind"], (Kind.LOST, Kind.IN_FLIGHT))
        return dataclasses.replace(trace, run_id=run.id, world="live", records=trace.records[seen])

    for_real = execute.execute
    monkeypatch.setattr(execute, "execute", played)


def results_in(out: Path) -> list[store.Result]:
    """All runs in a folder of results; fails on anything that is not whole."""
    assert not [path for path in out.rglob("*") if ".partial" in path.name]
    return [store.load(folder) for folder in sorted(out.glob("*/*/"))]


# --- help ---


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_the_exit_status(command: str) -> None:
    result = CliRunner().invoke(cli.app, [command, "--help"])
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "Examples" in text
    assert re.search(rf"harness {command} ?\S*", text.partition("Examples")[2])
    assert "Exit status: 0 all valid; 1 " in text
    assert "--json" in text


def test_help_lists_all_commands() -> None:
    result = CliRunner().invoke(cli.app, ["--help"])
    assert all(f" {command} " in result.stdout for command in COMMANDS)


def test_version(harness: Harness) -> None:
    assert harness("--version").stdout == f"harness {__version__}\n"


SLOW_TO_LOAD = ("matplotlib", "scipy", "pandas", "pyarrow", "jinja2", "zmq", "simpy")


@pytest.mark.parametrize(
    ("words", "spared"),
    [
        (["run", "--help"], (*SLOW_TO_LOAD, "numpy")),
        (["list"], (*SLOW_TO_LOAD, "numpy")),
        (["check", "experiments/late-joiner.toml"], SLOW_TO_LOAD),
        (["check", "experiments/late-joiner.toml", "--json"], SLOW_TO_LOAD),
        (["check", "no such file"], SLOW_TO_LOAD),
    ],
)
def test_a_quick_answer_loads_nothing_slow(words: list[str], spared: tuple[str, ...]) -> None:
    program = (
        f"import sys\nfrom harness import cli\ncli.main({words})\n"
        f"print([name for name in {spared} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


# --- check and list ---


def test_check_says_what_would_run(harness: Harness, experiment: Path) -> None:
    answer = harness("check", experiment)
    assert answer.status == 0
    assert "harness.patterns.pubsub:publisher" in answer.stdout
    assert "12 sim, 6 live runs of 200ms" in answer.stdout
    assert "200 messages a run, 400 deliveries owed" in answer.stdout


def test_check_in_json(harness: Harness, experiment: Path) -> None:
    found = harness("check", experiment, "--json", "--set", "pattern.rate=2k/s").json
    assert found["status"] == 0
    assert found["runs"] == 18
    assert found["variants"]["plain"]["messages"] == {"feed": {"sent": 400, "owed": 800}}
    assert "harness.patterns.pubsub:subscriber" in found["programs"]


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_experiments_are_valid(harness: Harness, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever they are run: what they need of a machine is another question."""
    monkeypatch.setattr(doctor, "missing", lambda runs: [])
    assert harness("check", path).status == 0


def test_check_says_all_that_is_wrong_at_once(harness: Harness, experiment: Path) -> None:
    experiment.write_text(EXPERIMENT.replace('"1k/s"', '"1k"').replace("sndhwm = 10,", "sndhwm = -1, no_such = 1,"))
    answer = harness("check", experiment, "--json")
    assert answer.status == 2
    assert [problem["key"] for problem in answer.json["problems"]] == [
        "pattern.rate",
        "node.pub.options.sndhwm",
        "node.pub.options.no_such",
    ]
    assert all(problem["message"] for problem in answer.json["problems"])
    assert answer.stderr.count(str(experiment)) == 3
    assert "Traceback" not in answer.stderr


def test_list(harness: Harness) -> None:
    answer = harness("list", "--experiments", ROOT / "experiments")
    assert answer.status == 0
    for word in ("pubsub", "Publish-subscribe", "slow", "latency_cdf", "gaps", "worker-pool"):
        assert word in answer.stdout


@pytest.mark.parametrize("kind", [kind.value for kind in cli.Kind])
def test_list_in_json_has_a_line_on_each(harness: Harness, kind: str) -> None:
    found = harness("list", kind, "--json", "--experiments", ROOT / "experiments").json
    assert set(found) == {"command", "status", kind}
    assert found[kind]
    assert all(found[kind].values())


def test_list_goes_on_over_a_broken_experiment(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_bytes(b"\xff\xfe = ")
    answer = harness("list", "experiments", "--experiments", tmp_path)
    assert answer.status == 0
    assert "broken" in answer.stdout
    assert "cannot be read" in answer.stdout


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m harness list; echo $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; ({command}) | true"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "0\n"


# --- run ---


def test_run_in_the_simulation(experiment: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer = harness_process("run", experiment, "--world", "sim", "--replications", 2, "--out", out, "--json")
    assert answer.status == 0, answer.stderr
    document = answer.json
    (group,) = document["groups"]
    assert (group["variant"], group["comparison"]) == ("plain", None)
    assert [run["seed"] for run in group["runs"]] == [1, 2]
    assert all(run["verdict"] == "valid" and run["ledger"]["lost"]["hwm_sender"] > 0 for run in group["runs"])
    assert sorted(run["folder"] for run in group["runs"]) == [str(result.folder) for result in results_in(out)]
    (report,) = document["reports"]
    assert "Tiny & lossy" in html.unescape(Path(report).read_text())
    assert "[2/2] sim tiny plain" in answer.stderr


@pytest.mark.usefixtures("no_sockets")
def test_run_in_both_worlds_prints_them_side_by_side(harness: Harness, experiment: Path, tmp_path: Path) -> None:
    answer = harness("run", experiment, "--out", tmp_path / "out", "--jobs", 0)
    assert answer.status == 0, answer.stdout + answer.stderr
    for line in (r"^ *slow +live .* % +hwm_sender ", r"^ *slow +sim .* % +hwm_sender ", r"^ *pub +live +200"):
        assert re.search(line, answer.stdout, re.MULTILINE), line
    assert re.search(r"^ *loss\.slow .* agree", answer.stdout, re.MULTILINE)
    assert re.search(r"^parity: (agree|unknown|differ) ", answer.stdout, re.MULTILINE)
    assert re.search(r"^laws: valid in every run: .*conservation", answer.stdout, re.MULTILINE)
    assert answer.stdout.splitlines()[-1] == f"report: {tmp_path / 'out' / 'tiny' / 'report.html'}"
    assert {(result.run.world) for result in results_in(tmp_path / "out")} == {"sim", "live"}
    assert len(results_in(tmp_path / "out")) == 18


def test_replications_and_seeds(harness: Harness, experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[Run]] = []

    def stop(runs: Any, *_: Any) -> list[Any]:
        asked.append(list(runs))
        return []

    monkeypatch.setattr(execute, "carry_out", stop)
    words = ("run", experiment, "--out", experiment.parent / "out")
    for more in (
        ("--replications", 3),
        ("--replications", 3, "--seeds", 4, "--seed", 7),
        ("--world", "sim", "--replications", 3),
        ("--world", "sim", "--replications", 3, "--seeds", 5),
        ("--world", "live", "--seeds", 5),
    ):
        harness(*words, *more)
    counts = [[sum(run.world == world for run in runs) for world in ("sim", "live")] for runs in asked]
    assert counts == [[12, 3], [4, 3], [3, 0], [5, 0], [0, 6]]
    assert [run.seed for run in asked[1]] == [7, 8, 9, 10, 7, 8, 9]


def test_one_variant_and_no_report(harness: Harness, experiment: Path, tmp_path: Path) -> None:
    experiment.write_text(EXPERIMENT + "[variant.bigger]\nnode.pub.options.sndhwm = 1000\nexercises = []\n")
    out = tmp_path / "out"
    words = ("run", experiment, "--world", "sim", "--seeds", 1, "--out", out, "--json")
    answer = harness(*words, "--variant", "bigger", "--no-report")
    assert [group["variant"] for group in answer.json["groups"]] == ["bigger"]
    assert answer.json["reports"] == []
    assert not list(out.rglob("*.html"))
    both = harness(*words).json
    assert [group["variant"] for group in both["groups"]] == ["plain", "bigger"]
    assert len(both["reports"]) == 1
    wrong = harness(*words, "--variant", "biger")
    assert wrong.status == 2
    assert "bigger" in wrong.stderr


# --- exit status ---


def test_status_1_when_a_law_is_broken(
    harness: Harness, experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(run: Run) -> Trace:
        trace = for_real(run)
        return dataclasses.replace(trace, records=trace.records[trace.records["kind"] != Kind.LOST])

    for_real = execute.execute
    monkeypatch.setattr(execute, "execute", forgetful)
    answer = harness("run", experiment, "--world", "sim", "--seeds", 1, "--jobs", 0, "--out", tmp_path / "out")
    assert answer.status == 1
    assert "law conservation, simulated: invalid" in answer.stdout


def test_status_1_when_a_run_gives_no_result(
    harness: Harness, experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fragile(run: Run) -> Trace:
        if run.seed == 2:
            raise RuntimeError("the wheel came off")
        return for_real(run)

    for_real = execute.execute
    monkeypatch.setattr(execute, "execute", fragile)
    out = tmp_path / "out"
    answer = harness("run", experiment, "--world", "sim", "--seeds", 3, "--jobs", 0, "--out", out, "--json")
    assert answer.status == 1
    assert [failure["seed"] for failure in answer.json["failures"]] == [2]
    assert "variant plain, seed 2" in answer.stderr
    assert "the wheel came off" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(results_in(out)) == 2


def test_status_3_when_a_run_never_reached_what_it_claims(harness: Harness, experiment: Path, tmp_path: Path) -> None:
    words = ("run", experiment, "--world", "sim", "--seeds", 1, "--out", tmp_path / "out")
    answer = harness(*words, "--set", "node.pub.options.sndhwm=1000")
    assert answer.status == 3
    assert "runs: unknown (1 of 1; never reached: hwm_sender)" in answer.stdout


@pytest.mark.usefixtures("no_sockets")
def test_status_3_when_there_are_too_few_runs_to_compare(harness: Harness, experiment: Path, tmp_path: Path) -> None:
    answer = harness("run", experiment, "--replications", 2, "--seeds", 2, "--jobs", 0, "--out", tmp_path / "out")
    assert answer.status == 3
    assert "parity: unknown" in answer.stdout


@pytest.mark.usefixtures("no_sockets")
def test_status_0_when_the_worlds_differ(
    harness: Harness, experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(run: Run) -> Trace:
        trace = played(run)
        if run.world == "live":
            received = trace.records["kind"] == Kind.RECEIVED
            trace.records["time_ns"][received] += 50_000_000 + run.seed * 1000
        return trace

    played = execute.execute
    monkeypatch.setattr(execute, "execute", late)
    answer = harness("run", experiment, "--jobs", 0, "--out", tmp_path / "out")
    assert "parity: differ" in answer.stdout
    assert answer.status == 0


@pytest.mark.usefixtures("no_sockets")
def test_a_noisy_machine_is_told_and_the_run_repeated_if_asked(
    harness: Harness, experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noisy(run: Run) -> Trace:
        trace = played(run)
        return dataclasses.replace(trace, environment={**trace.environment, "foreign_share": 0.25})

    played = execute.execute
    monkeypatch.setattr(execute, "execute", noisy)
    words = ["--world", "live", "--replications", 2, "--repeat-noisy", 1, "--out", tmp_path / "out"]
    answer = harness("run", experiment, *words)
    told = "noisy machine: 2 of 2 live runs; in one of them other work took 25.0% of the processor time (more than 8%)"
    assert told in answer.stdout
    assert "attempts that were given up for a noisy machine: 2" in answer.stdout
    page = (tmp_path / "out" / "tiny" / "report.html").read_text()
    assert "noisy machine: other work took 25.0% of the processor time" in page
    assert "attempt 1 was on a noisy machine" in page


# --- wrong input ---


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "no-such.toml"), "no-such.toml"),
        (("run",), "EXPERIMENT.toml"),
        (("run", "{file}", "--world", "moon"), "moon"),
        (("run", "{file}", "--replications", "0"), "--replications"),
        (("run", "{file}", "--replications", "many"), "integer"),
        (("run", "{file}", "--seed", "-1"), "--seed"),
        (("run", "{file}", "--jobs", "-1"), "--jobs"),
        (("run", "{file}", "--set", "pattern.rate"), "pattern.rate"),
        (("run", "{file}", "--set", "pattern.rat=1k/s"), "rat"),
        (("run", "{file}", "--set", "="), "="),
        (("run", "{file}", "--out", "{file}"), "tiny.toml"),
        (("run", "{file}", "--out", "{file}/below"), "tiny.toml"),
        (("run", "{folder}"), "{folder}"),
        (("check", "{file}", "--no-such"), "--no-such"),
        (("check", "{file}", "{file}"), "unexpected"),
        (("list", "planets"), "planets"),
        (("compare",), "RUN"),
        (("compare", "0123456789ab"), "0123456789ab"),
        (("compare", "../../etc"), "../../etc"),
        (("compare", ""), "no saved run"),
        (("report", "{folder}"), "{folder}"),
        (("report", "{file}"), "tiny.toml"),
        (("fly",), "fly"),
    ],
)
def test_status_2_for_wrong_input(harness: Harness, experiment: Path, words: tuple[str, ...], told: str) -> None:
    known = {"file": experiment, "folder": experiment.parent}
    given = [word.format(**known) for word in words]
    answer = harness(*given)
    assert answer.status == 2
    assert answer.stdout == ""
    # A panel breaks long lines, inside of a path as well.
    plain = re.sub(r"[\s│]+", "", answer.stderr)
    assert re.sub(r"\s+", "", told.format(**known)) in plain
    assert "Traceback" not in answer.stderr
    machine = harness(*given, "--json")
    assert machine.status == 2
    assert machine.json["status"] == 2
    assert all(problem["message"] for problem in machine.json["problems"])


def test_all_runs_that_cannot_be_found_are_named(harness: Harness, tmp_path: Path) -> None:
    answer = harness("compare", "aaaaaaaaaaaa", "bbbbbbbbbbbb", "--out", tmp_path)
    assert "aaaaaaaaaaaa" in answer.stderr
    assert "bbbbbbbbbbbb" in answer.stderr


def test_a_damaged_folder_is_the_users_affair(harness: Harness, experiment: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    harness("run", experiment, "--world", "sim", "--seeds", 1, "--out", out, "--no-report")
    (result,) = results_in(out)
    (result.folder / "messages.parquet").write_bytes(b"PAR1 no more")
    answer = harness("report", result.folder, "--out", out)
    assert answer.status == 2
    assert "messages.parquet" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_defect_is_one_sentence_and_a_traceback_on_demand(
    harness: Harness, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("no\nsuch luck")

    monkeypatch.setattr(execute, "carry_out", broken)
    words = ("run", experiment, "--out", experiment.parent / "out")
    answer = harness(*words)
    assert answer.status == 1
    assert answer.stderr.count("\n") == 1
    assert "report it" in answer.stderr
    assert "ZeroDivisionError: no such luck" in answer.stderr
    assert "Traceback" in harness(*words, "--debug").stderr
    assert harness(*words, "--json").json["error"] == "ZeroDivisionError: no such luck"


# --- compare and report ---


@pytest.mark.usefixtures("no_sockets")
def test_compare_and_report_from_saved_runs(harness: Harness, experiment: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = harness("run", experiment, "--out", out, "--jobs", 0, "--no-report", "--json").json
    compared = harness("compare", out / "tiny", "--json")
    assert compared.status == 0
    assert compared.json["groups"][0]["comparison"] == ran["groups"][0]["comparison"]
    ids = [run["run_id"] for run in ran["groups"][0]["runs"]]
    by_id = harness("compare", *ids, *ids, "--out", out, "--json").json
    assert by_id["groups"][0]["comparison"] == ran["groups"][0]["comparison"]
    two = harness("compare", out / "tiny" / ids[0], ids[1], "--out", out)
    assert two.status == 0
    assert "2 simulated" in two.stdout
    reported = harness("report", out / "tiny", "--out", out, "--json").json
    (path,) = reported["reports"]
    text = html.unescape(Path(path).read_text())
    assert "Tiny & lossy" in text
    assert "How much is lost?" in text


# --- interrupted ---


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_whole_results_only(
    experiment: Path, tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    out = tmp_path / "out"
    words = ["run", experiment, "--world", "sim", "--seeds", "1000", "--jobs", "2", "--out", out, "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "harness", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not list(out.glob("tiny/*/")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, sent)  # as the terminal does it: to all processes
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == status
    assert json.loads(stdout)["error"] == "interrupted"
    assert "Traceback" not in stderr
    assert 0 < len(results_in(out)) < 1000
