"""What a machine can do is tried, not assumed; what a run needs and it has not, is said before the run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import config, doctor, kinds
from harness.cli import main
from harness.live import probes
from harness.live.cell import ORPHANED
from harness.live.probes import Finding
from harness.live.processes import environment
from harness.plan import plan
from tests.conftest import DEMANDED, ROOT, demanded, finding

EXPERIMENT = ROOT / "experiments" / "drop-off.toml"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")


def network_of(pid: int | str) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


@pytest.mark.parametrize("name", probes.names())
def test_a_probe_has_its_shape(name: str) -> None:
    assert kinds.summary(probes.__name__, name).endswith(".")
    module = kinds.load(probes.__name__, name)
    assert callable(module.probe)
    assert module.HELP[0].islower() or module.HELP.startswith("Debian")
    assert not module.HELP.endswith(".")


@pytest.mark.parametrize("name", probes.names())
def test_every_capability_is_there_or_says_why_not(name: str) -> None:
    found = finding(name)
    assert found.name == name
    assert (found.reason is None) == (found.help == "")
    assert found.reason is None or not found.reason.startswith(("AttributeError", "TypeError", "NameError"))


def test_what_is_demanded_of_this_machine_is_there() -> None:
    assert {name: finding(name).reason for name in demanded()} == dict.fromkeys(demanded())


@LINUX
def test_probes_leave_nothing_in_the_network_of_the_machine() -> None:
    before = network_of("self"), sorted(Path("/sys/class/net").iterdir())
    list(probes.ask_all(["netns", "tbf", "emulator", "socket_destroy"]))
    assert (network_of("self"), sorted(Path("/sys/class/net").iterdir())) == before


ELSEWHERE = """
import sys
from harness.live import probes
from harness.live.cell import ORPHANED
from harness.live.processes import environment
probes.__spec__.submodule_search_locations[:] = {places!r}
from harness.live.probes.__main__ import main
main(sys.argv[1])
"""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("def probe(): return 'no such thing'", "no such thing"),
        ("def probe(): raise PermissionError(1, 'Operation not permitted')", "Operation not permitted"),
        ("def probe(): raise ValueError('odd')", "ValueError: odd"),
        ("def probe():\n    import os\n    os.kill(os.getpid(), 9)", "the probe ended with status -9: it said nothing"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("def probe():\n    import time\n    time.sleep(60)", "the probe gave no answer in 0.5 s"),
    ],
)
def test_whatever_a_probe_does_is_a_reason(
    body: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd.py").write_text(f"HELP = 'nothing would'\n{body}\n")
    assert probes.__spec__ is not None
    places = [*probes.__path__, str(tmp_path)]
    monkeypatch.setattr(probes.__spec__, "submodule_search_locations", places)
    monkeypatch.setattr(probes, "_COMMAND", ["-c", ELSEWHERE.format(places=places)])
    monkeypatch.setattr(probes, "LIMIT_S", 0.5 if "0.5 s" in reason else probes.LIMIT_S)
    assert reason in str(probes.ask("odd").reason)


def test_a_probe_whose_asker_is_gone_tries_nothing() -> None:
    nobody = os.getpid() + 1  # whoever that is, it has not started the probe
    probe = subprocess.run(
        [sys.executable, "-m", probes.__name__, "signals", str(nobody)],
        env=environment(),
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert (probe.returncode, probe.stdout) == (ORPHANED, b"")


def test_needs_follow_from_the_experiment() -> None:
    experiment = config.load(EXPERIMENT)
    (live,) = plan(experiment, ["live"], replications=1, variant="plain")
    (simulated,) = plan(experiment, ["sim"], replications=1, variant="plain")
    assert "proxy" in {need.capability for need in doctor.needs(live)}
    assert doctor.needs(simulated) == ()


def test_needs_follow_from_the_network() -> None:
    def needs(*overrides: str) -> dict[str, str]:
        experiment = config.load(EXPERIMENT, ["live.network=namespaces", *overrides])
        (run,) = plan(experiment, ["live"], replications=1, variant="plain")
        return {need.capability: need.key for need in doctor.needs(run)}

    assert needs() == {"netns": "live.network", "emulator": "link.shaky", "socket_destroy": "fault.again.kind"}
    assert needs("link.steady.rate=1Mbit/s")["tbf"] == "link.steady.rate"


def test_a_limit_on_memory_needs_a_system_that_obeys_it() -> None:
    experiment = config.load(EXPERIMENT.with_name("memory-limit.toml"))
    (run,) = plan(experiment, ["live"], replications=1, variant="plain")
    (need,) = (need for need in doctor.needs(run) if need.capability == "memory_limit")
    assert (need.key, need.value) == ("node.pub.memory", "32MiB")


def without(*missing: str) -> object:
    """In place of ``probes.ask``: a machine that has all but these."""

    def ask(name: str) -> Finding:
        return Finding(name, "", "not on this machine" if name in missing else None, "", "buy another", 0)

    return ask


def test_a_run_that_needs_what_is_missing_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(probes, "ask", without("proxy"))
    out = tmp_path / "results"
    for command in (["run", str(EXPERIMENT), "--out", str(out)], ["check", str(EXPERIMENT)]):
        assert main(command) == 2
        told = capsys.readouterr().err
        assert 'link.shaky: needs the capability "proxy"' in told
        assert "not on this machine. buy another; or use --world sim" in told
    assert not out.exists()
    assert main(["check", str(EXPERIMENT), "--world", "sim"]) == 0


def test_the_command_tells_people_and_machines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(probes, "ask", without("netns"))
    assert main(["doctor"]) == 0
    assert "missing here: not on this machine" in capsys.readouterr().out
    assert main(["doctor", "netns", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["capabilities"]["netns"]["reason"] == "not on this machine"
    assert main(["doctor", "proxy"]) == 0
    assert main(["doctor", "prox"]) == 2
    assert 'did you mean "proxy"' in capsys.readouterr().err


MARKED = """
import pytest

@pytest.mark.needs("netem_of_the_moon")
def test_it() -> None: pass
"""
PLUGIN = """
from tests import conftest
from harness.live import probes
from harness.live.cell import ORPHANED
from harness.live.processes import environment
probes.names = lambda: ("netem_of_the_moon",)
conftest.finding = lambda name: probes.Finding(name, "", "there is no moon", "", "", 0)
from tests.conftest import *
"""


@pytest.mark.parametrize(("variable", "line"), [("", "1 skipped"), ("netem_of_the_moon", "1 error")])
def test_a_test_that_needs_it_is_skipped_or_fails(variable: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "test_marked.py").write_text(MARKED)
    (tmp_path / "conftest.py").write_text(PLUGIN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    answer = subprocess.run(
        [*command, f"--rootdir={tmp_path}", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, DEMANDED: variable, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert line in answer.stdout
    assert "there is no moon" in answer.stdout
