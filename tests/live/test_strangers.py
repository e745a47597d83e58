"""Programs of plain pyzmq, unmodified, on a real network; and the same command line simulated."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.live.inventory import MARK, left, of_machine, processes
from tests.live.test_namespaces import as_an_ordinary_user

pytestmark = [pytest.mark.live, pytest.mark.needs("netns", "emulator"), pytest.mark.timeout(90)]

GUIDE = ROOT / "tests" / "stranger" / "programs"
WORLDS = ("twin", "live")

PIRATES = """
    until = "7s"
    [host.ship]
    [host.shore]
    [link.sea]
    between = ["ship", "shore"]
    delay = "50ms"
    [program.first]
    script = "{guide}/lazy_pirate_server.py"
    args = ["999"]
    host = "shore"
    kill = "1800ms"
    [program.second]
    script = "{guide}/lazy_pirate_server.py"
    args = ["999"]
    host = "shore"
    start = "2500ms"
    [program.client]
    script = "{guide}/lazy_pirate_client.py"
    args = ["tcp://shore:5555", "3"]
    host = "ship"
"""


def command(world: str, *words: str | Path) -> list[str]:
    return [sys.executable, "-m", f"harness.{world}", *map(str, words)]


def run(world: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(world, *words), capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)


def play(world: str, *words: str | Path) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """What each program printed, and the summary."""
    done = run(world, "--json", *words)
    assert done.returncode == 0, done.stderr
    lines: dict[str, list[str]] = {}
    for line in done.stderr.splitlines():
        name, _, text = line.partition(" | ")
        lines.setdefault(name.strip(), []).append(text)
    return lines, json.loads(done.stdout)


def written(folder: Path, text: str, **programs: str) -> Path:
    for name, source in programs.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(source))
    path = folder / "net.toml"
    path.write_text(textwrap.dedent(text))
    return path


def test_a_pirate_of_the_guide_tries_again_in_both_worlds(tmp_path: Path) -> None:
    path = written(tmp_path, PIRATES.format(guide=GUIDE))
    told = {world: play(world, "--topology", path) for world in WORLDS}
    for lines, summary in told.values():
        assert lines["client"] == [
            "INFO: server replied 0",
            "WARNING: no response",
            "INFO: reconnecting",
            "INFO: server replied 1",
            "INFO: server replied 2",
        ]
        statuses = {name: one["exit_status"] for name, one in summary["programs"].items()}
        assert statuses == {"first": 137, "second": None, "client": 0}
        assert 1.7e9 < summary["programs"]["first"]["ended_ns"] < 2.5e9
        assert 5.5e9 < summary["programs"]["client"]["ended_ns"] < 7e9
    assert told["twin"][0] == told["live"][0]
    assert told["live"][1]["network"]["emulated"] == ["sea"]


SERVER = """
    import socket, zmq
    server = zmq.Context().socket(zmq.REP)
    server.bind("tcp://*:5555")
    while True:
        server.recv()
        server.send_string(socket.gethostname())
"""
CLIENT = """
    import sys, time, zmq
    context = zmq.Context()
    begun = time.monotonic()
    for number in range(4):
        time.sleep(max(0, begun + number - time.monotonic()))
        asked = time.monotonic()
        client = context.socket(zmq.REQ)
        client.connect("tcp://hub:5555")
        client.send(b"?")
        print(client.recv_string(), round(1000 * (time.monotonic() - asked)))
        client.close()
"""
WATCHER = """
    import time, zmq
    from zmq.utils.monitor import recv_monitor_message
    client = zmq.Context().socket(zmq.REQ)
    monitor = client.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    client.connect("tcp://hub:5555")
    for number in range(3):
        print(recv_monitor_message(monitor)["event"].name, flush=True)
"""
FAULTS = """
    until = "6s"
    [host.hub]
    [program.server]
    script = "server.py"
    host = "hub"
"""
KINDS = {
    "pulled": ("", "down", ""),
    "silent": ("", "blackhole", ""),
    "one_way": ("", "blackhole", 'towards = "{name}"'),
    "slow_pulled": ('delay = "20ms"', "down", ""),
    "slow_one_way": ('delay = "20ms"', "blackhole", 'towards = "hub"'),
    "refused": ("", "refuse", 'towards = "hub"'),
    "spared": ("", "refuse", 'towards = "{name}"'),
    "held": ("", "stall", ""),
    "cut": ("", "reset", ""),
}
"""Shape of a host's link to the hub, what happens to it, and which way."""


def net_of_faults() -> str:
    text = textwrap.dedent(FAULTS)
    for name, (shape, kind, towards) in KINDS.items():
        lasts = "" if kind == "reset" else 'lasts = "1200ms"'
        script = "watcher.py" if kind == "reset" else "client.py"
        host = name.replace("_", "-")
        text += textwrap.dedent(f"""
            [host.{host}]
            [link.{name}]
            between = ["{host}", "hub"]
            {shape}
            [fault.{name}]
            link = "{name}"
            kind = "{kind}"
            at = "1600ms"
            {lasts}
            {towards.format(name=host)}
            [program.{name}]
            script = "{script}"
            host = "{host}"
        """)
    return text


def test_what_happens_to_links_is_felt_alike_in_both_worlds(tmp_path: Path) -> None:
    path = written(tmp_path, net_of_faults(), server=SERVER, client=CLIENT, watcher=WATCHER)
    for world in WORLDS:
        lines, summary = play(world, "--topology", path)
        assert lines["cut"] == ["HANDSHAKE_SUCCEEDED", "DISCONNECTED", "HANDSHAKE_SUCCEEDED"], world
        for name in KINDS.keys() - {"cut"}:
            hosts, times = zip(*(line.split() for line in lines[name]), strict=True)
            assert hosts == ("hub",) * 4
            third = int(times[2])
            if name == "spared":  # refused is who asks from the other end, and nobody does
                assert third < 350, (world, lines)
            else:  # until the fault is over and the next try has come, a repeated SYN at the latest
                assert 350 < third < 2000, (world, name, lines)
            assert int(times[1]) < 350, (world, name, lines)
        if world == "live":
            assert sorted(summary["network"]["emulated"]) == [
                "held",
                "refused",
                "slow_one_way",
                "slow_pulled",
                "spared",
            ]
            assert [each["what"] for each in summary["faults"]].count("healed") == len(KINDS) - 1
            for each in summary["faults"]:
                assert 0 <= each["done_ns"] - each["begun_ns"] < 5e8


def test_programs_of_a_host_share_it_and_see_its_name(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        [host.north]
        address = "10.9.0.1"
        [host.south]
        [program.server]
        script = "server.py"
        host = "north"
        interrupt = "2s"
        [program.client]
        script = "client.py"
        host = "north"
        args = ["localhost"]
        [program.other]
        script = "client.py"
        host = "south"
        args = ["10.9.0.1"]
        """,
        server=SERVER,
        client="""
            import socket, sys, zmq
            client = zmq.Context().socket(zmq.REQ)
            client.connect(f"tcp://{sys.argv[1]}:5555")
            client.send(b"?")
            print(client.recv_string(), socket.gethostname(), socket.gethostbyname("north"))
        """,
    )
    before = socket_name()
    for world in WORLDS:
        lines, summary = play(world, "--topology", path)
        assert lines["client"] == ["north north 10.9.0.1"], world
        assert lines["other"] == ["north south 10.9.0.1"], world
        assert summary["programs"]["server"]["exit_status"] in (130, 1)
        assert summary["reason"] == "ended"
    assert socket_name() == before


def socket_name() -> str:
    return Path("/proc/sys/kernel/hostname").read_text() + Path("/etc/hosts").read_text()


def test_one_program_writes_as_it_is_and_its_status_counts(tmp_path: Path) -> None:
    script = tmp_path / "only.py"
    script.write_text("import sys\nprint(sys.argv[1:], __file__)\nsys.exit(7)\n")
    done = run("live", script, "--until", "x")
    assert done.returncode == 7
    assert done.stdout == f"['--until', 'x'] {script}\n"
    assert "only.py: exit status 7" in done.stderr


WRONG = [
    ('host = "ship"', 'host = "shop"', 'program.client.host = "shop": there is no such thing; did you mean "ship"?'),
    (
        '"50ms"',
        '"50ms"\n[fault.f]\nlink = "sea"\nkind = "half_close"\nat = "1s"\ntowards = "ship"',
        'fault.f.kind = "half_close": not on link sea',
    ),
    ("[host.ship]", '[host.ship]\naddress = "10.0.0.3"', 'host.ship.address = "10.0.0.3": shore has the same'),
    ("[host.ship]", '[host."sh ip"]\n[host.ship]', "the name of a real host has letters"),
]


@pytest.mark.parametrize(("old", "new", "sentence"), WRONG, ids=[new.replace("\n", " ") for _, new, _ in WRONG])
def test_what_is_wrong_is_a_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    text = textwrap.dedent(PIRATES).format(guide=GUIDE)
    assert old in text
    path = written(tmp_path, text.replace(old, new))
    done = run("live", "--topology", path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{path}: " in done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_the_command_and_the_programs(tmp_path: Path) -> None:
    script = tmp_path / "wait.py"
    script.write_text("import time\nprint('there')\ntime.sleep(100)\n")
    mark = secrets.token_hex(8)
    with subprocess.Popen(
        command("live", "--times", script), stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, MARK: mark}
    ) as asked:
        assert asked.stdout is not None
        assert "there" in asked.stdout.readline()
        asked.send_signal(signal.SIGINT)
        assert asked.wait(10) == 130
    assert processes(mark) == frozenset()


def test_a_network_that_dies_is_no_result(tmp_path: Path) -> None:
    script = tmp_path / "wait.py"
    script.write_text("import time\nprint('there')\ntime.sleep(100)\n")
    mark = secrets.token_hex(8)
    with subprocess.Popen(
        command("live", "--times", script),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, MARK: mark},
    ) as asked:
        assert asked.stdout is not None
        assert asked.stderr is not None
        assert "there" in asked.stdout.readline()
        (maker, *_) = sorted(int(line.split()[0]) for line in processes(mark) if "live.scripts.serve" in line)
        os.kill(maker, signal.SIGKILL)
        assert asked.wait(10) == 3
        assert asked.stderr.read() == "the network could not be kept: the network of hosts has died\n"
    assert processes(mark) == frozenset()


@pytest.mark.needs("user_namespaces")
def test_it_works_without_root(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/"}

    def harness(*words: str) -> subprocess.CompletedProcess[str]:
        line = [*as_an_ordinary_user(tmp_path), *command("live", *words)]
        return subprocess.run(line, check=False, capture_output=True, text=True, env=environment, cwd="/", timeout=50)

    if (tried := harness("--help")).returncode:
        pytest.skip(f"no other user can run the harness here: {tried.stderr}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the folder of a test is its user's alone
        path = written(Path(folder), PIRATES.format(guide=GUIDE))
        done = harness("--json", "--topology", str(path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["network"]["namespaces_of"] == "an ordinary user"
    assert "client | INFO: server replied 2\n" in done.stderr


def test_a_sudden_death_of_the_command_takes_all_along(tmp_path: Path) -> None:
    parent = """
        import os, subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"], start_new_session=True)
        print("started", flush=True)
        time.sleep(100)
    """
    text = textwrap.dedent(PIRATES).format(guide=GUIDE).replace(f"{GUIDE}/lazy_pirate_client.py", "parent.py")
    path = written(tmp_path, text, parent=parent)
    before = of_machine()
    mark = secrets.token_hex(8)
    victim = subprocess.Popen(
        command("live", "--times", "--topology", path),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, MARK: mark},
    )
    assert victim.stdout is not None
    assert "started" in victim.stdout.readline()
    # The command, the janitor, who makes the hosts and two for the processes, the emulator; two doors and
    # programs; and the child that has a session of its own.
    assert len(processes(mark)) >= 11
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    deadline = time.monotonic() + 10
    while processes(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes(mark) == frozenset()
    assert left(before, of_machine()) == {}
    victim.stdout.close()
