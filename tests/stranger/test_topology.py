"""Several hosts with links between them: the topology file, and what is wrong with one."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from harness.problems import ConfigError
from harness.scripts.net_file import read_net_file
from harness.twin.runner.main import main

SERVER = """
    import socket, zmq
    server = zmq.Context().socket(zmq.REP)
    server.bind("tcp://*:5555")
    while True:
        server.recv()
        server.send_string(socket.gethostname())
"""
CLIENT = """
    import socket, sys, time, zmq
    client = zmq.Context().socket(zmq.REQ)
    client.connect(sys.argv[1])
    for number in range(4):
        begun = time.monotonic()
        client.send(b"?")
        print(client.recv_string(), socket.gethostname(), round(1000 * (time.monotonic() - begun)))
        time.sleep(1)
"""
NET = """
    until = "20s"
    seed = 3

    [host.east]
    [host.west]
    address = "10.9.0.1"

    [link.wan]
    between = ["east", "west"]
    delay = "20ms"

    [program.server]
    script = "server.py"
    host = "east"

    [program.client]
    script = "client.py"
    args = ["tcp://east:5555"]
    host = "west"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"server.py": SERVER, "client.py": CLIENT}.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    return tmp_path


def net_file(folder: Path, more: str = "", text: str = NET) -> Path:
    path = folder / "net.toml"
    path.write_text(textwrap.dedent(text) + textwrap.dedent(more))
    return path


def play(path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[list[str], dict[str, Any]]:
    assert main(["--json", *words, "--topology", str(path)]) == 0
    out, err = capsys.readouterr()
    return err.splitlines(), json.loads(out)


def test_programs_on_two_hosts_feel_the_link(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, summary = play(net_file(folder), capsys)
    # The first one waits for the connection: two round trips more.
    assert lines[1:] == ["client | east west 40"] * 3
    assert lines[0] in [f"client | east west {time}" for time in range(120, 165)]
    assert summary["programs"]["client"]["exit_status"] == 0


def test_a_black_hole_for_a_while_delays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fault = """
        [fault.outage]
        link = "wan"
        kind = "blackhole"
        at = "1.5s"
        lasts = "2s"
    """
    lines, _ = play(net_file(folder, fault), capsys)
    times = [int(line.split()[-1]) for line in lines]
    assert times[1] == times[3] == 40
    assert 1300 < times[2] < 4000


def test_a_killed_program_takes_its_sockets_along(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kill = """
        [program.first]
        script = "server.py"
        kill = "1500ms"
        host = "east"
    """
    text = NET.replace("[program.server]", "[program.server]\n    start = '2s'")
    lines, summary = play(net_file(folder, kill, text), capsys)
    # Nothing was outstanding, and the connecting side keeps its pipe: the third request goes to the next server.
    assert lines[1:] == ["client | east west 40"] * 3
    assert summary["programs"]["first"] == {"exit_status": 137, "ended_ns": 1_500_000_000}
    assert summary["programs"]["client"]["exit_status"] == 0


def test_a_request_to_a_program_that_is_killed_is_never_answered(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """REQ never sends again (F84): killed with the request in its hands, the server leaves the client stuck."""
    slow = SERVER.replace("server.recv()", "server.recv(); time.sleep(1)").replace(
        "import socket", "import time, socket"
    )
    (folder / "slow.py").write_text(textwrap.dedent(slow))
    kill = """
        [program.first]
        script = "slow.py"
        kill = "600ms"
        host = "east"
    """
    text = NET.replace("[program.server]", "[program.server]\n    start = '2s'")
    lines, summary = play(net_file(folder, kill, text), capsys)
    assert lines == []
    assert summary["programs"]["client"]["exit_status"] is None


def test_signals_come_to_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "polite.py").write_text(
        textwrap.dedent("""
        import signal, sys, time, zmq
        def leave(number, frame):
            print("asked to leave", number)
            sys.exit(4)
        signal.signal(signal.SIGTERM, leave)
        pull = zmq.Context().socket(zmq.PULL)
        pull.bind("inproc://x")
        while True:
            try:
                pull.recv()
            except KeyboardInterrupt:
                print("interrupted", round(time.monotonic() - 86400, 2))
        """)
    )
    program = "[program.{}]\nscript = 'polite.py'\n"
    text = program.format("polite") + "interrupt = '2s'\nterminate = '3s'\n" + program.format("other") + "kill = '1s'\n"
    path = net_file(folder, text=text)
    assert main(["--json", "--topology", str(path)]) == 4
    out, err = capsys.readouterr()
    assert err.splitlines() == ["polite | interrupted 2.0", "polite | asked to leave 15"]
    programs = json.loads(out)["programs"]
    assert programs["polite"] == {"exit_status": 4, "ended_ns": programs["polite"]["ended_ns"]}
    assert 3e9 < programs["polite"]["ended_ns"] < 3.01e9
    assert programs["other"] == {"exit_status": 137, "ended_ns": 1_000_000_000}


def test_many_programs_of_one_kind(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "show.py").write_text("import sys\nprint(sys.argv[1:])\n")
    path = net_file(folder, text='[program.p]\nscript = "show.py"\ncount = 2\nargs = ["--id", "w{number}"]\n')
    lines, _ = play(path, capsys)
    assert lines == ["p-1 | ['--id', 'w1']", "p-2 | ['--id', 'w2']"]


def test_the_command_line_has_the_last_word(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, summary = play(net_file(folder), capsys, "--until", "1s")
    assert summary["virtual_ns"] == 1_000_000_000
    assert read_net_file(folder / "net.toml").seed == 3


WRONG = [
    ("[host.east]", "[host.east]\naddress = 'x'", 'host.east.address = "x": must be an IPv4 address'),
    ("[host.east]", "[host.east]\naddress = '127.0.0.1'", "must be the address of an interface that others can reach"),
    ("delay", "dealy", 'link.wan.dealy = "20ms": there is no such key; did you mean "delay"?'),
    ('"20ms"', '"20"', 'link.wan.delay = "20": has no unit'),
    ('"20ms"', '"20ms"\nloss = 2', "link.wan.loss = 2: must be a number from 0 to 1"),
    ('"20ms"', '"20ms"\nrate = "10M"', "link.wan.rate = \"10M\": has the unit 'M'"),
    (
        '["east", "west"]',
        '["east", "wset"]',
        'link.wan.between = ["east", "wset"]: there is no such thing; did you mean',
    ),
    ('["east", "west"]', '["east", "east"]', "must be a list of two different hosts"),
    (
        "[link.wan]",
        "[link.lan]\nbetween = ['west', 'east']\n[link.wan]",
        'link.wan.between = ["east", "west"]: link lan joins these two already',
    ),
    ("server.py", "sever.py", 'program.server.script = "sever.py": there is no such file'),
    ('host = "east"', 'host = "north"', 'program.server.host = "north": there is no such thing'),
    ('["tcp://east:5555"]', "[5]", "program.client.args = [5]: must be a list of texts"),
    ("seed = 3", "seed = 'x'", 'seed = "x": must be a whole number'),
    ("seed = 3", "sed = 3", 'sed = 3: there is no such key; did you mean "seed"?'),
    ("seed = 3", "program = 3", "cannot be read"),
    ("until", "[[", "cannot be read"),
    (
        "[link.wan]",
        "[fault.f]\nlink = 'wan'\nkind = 'reset'\nat = '1s'\nlasts = '1s'\n[link.wan]",
        "has no meaning for",
    ),
    ("[link.wan]", "[fault.f]\nlink = 'lan'\nat = '1s'\n[link.wan]", 'fault.f.link = "lan": there is no such thing'),
    ("[link.wan]", "[fault.f]\nlink = 'wan'\nat = '1s'\n[link.wan]", "fault.f.kind: is needed"),
]


@pytest.mark.parametrize(("old", "new", "sentence"), WRONG, ids=[new.replace("\n", " ") for _, new, _ in WRONG])
def test_a_wrong_file_says_where_what_and_what_is_right(folder: Path, old: str, new: str, sentence: str) -> None:
    path = net_file(folder, text=textwrap.dedent(NET).replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        read_net_file(path)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_all_that_is_wrong_is_said_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = net_file(folder, text=textwrap.dedent(NET).replace("20ms", "20").replace("server.py", "x.py"))
    assert main(["--topology", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 2


def test_two_hosts_cannot_have_one_address(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = net_file(folder, text=textwrap.dedent(NET).replace("[host.east]", "[host.east]\naddress = '10.9.0.1'"))
    assert main(["--topology", str(path)]) == 2
    assert "another host has the address 10.9.0.1" in capsys.readouterr().err
