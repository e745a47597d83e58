"""``python -m harness.twin`` as a user meets it: what is shown, written and returned."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness.twin.runner.main import main

ROOT = Path(__file__).resolve().parents[2]

SERVER = """
    import time, zmq
    server = zmq.Context().socket(zmq.REP)
    server.bind("tcp://*:5555")
    while True:
        request = server.recv()
        time.sleep(0.01)
        server.send(b"re: " + request)
"""
CLIENT = """
    import sys, zmq
    with zmq.Context() as context, context.socket(zmq.REQ) as client:
        client.connect("tcp://localhost:5555")
        for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
            client.send_string(f"{number}")
            print(client.recv_string())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"server.py": SERVER, "client.py": CLIENT}.items():
        write(tmp_path / name, text)
    return tmp_path


def write(path: Path, text: str) -> str:
    path.write_text(textwrap.dedent(text))
    return str(path)


def start(*words: str, **more: object) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    return subprocess.Popen(
        [sys.executable, "-m", "harness.twin", *words],
        env={**environment, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,  # type: ignore[call-overload]
    )


def run(*words: str) -> tuple[int, str, str]:
    with start(*words) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_several_programs_and_what_became_of_them(folder: Path) -> None:
    status, out, err = run(str(folder / "server.py"), "--", str(folder / "client.py"), "2")
    assert status == 0
    assert out == "client.py | re: 0\nclient.py | re: 1\n"
    lines = err.splitlines()
    assert "of virtual time in" in lines[0]
    assert lines[0].endswith("server.py: not ended, client.py: exit status 0")
    assert [line.split() for line in lines[1:4]] == [
        ["socket", "sent", "received"],
        ["server.py", "REP#1", "2", "2", "bound", "to", "tcp://0.0.0.0:5555"],
        ["client.py", "REQ#1", "2", "2", "connected", "to", "tcp://localhost:5555"],
    ]
    assert lines[4] == "messages: 4 delivered, 0 lost, 0 under way at the end"
    assert lines[5] == "nothing is left to happen, and for ever wait:"
    assert lines[6].startswith(
        "  server.py, main thread: in Socket.recv on REP#1, bound to tcp://0.0.0.0:5555, no peer"
    )
    assert lines[6].endswith(f"at {folder / 'server.py'}:6 in <module>")
    assert len(lines) == 7


def test_one_program_has_its_output_as_it_is_and_its_own_status(folder: Path) -> None:
    script = write(folder / "one.py", "import sys\nprint('a', end='')\nprint('b', file=sys.stderr)\nsys.exit('no')\n")
    status, out, err = run("--quiet", script)
    assert (status, out, err) == (1, "a", "b\nno\n")


def test_a_failing_program_shows_its_own_traceback(folder: Path) -> None:
    script = write(folder / "fails.py", "import zmq\nzmq.Context().socket(zmq.REP).send(b'')\n")
    status, _, err = run("--quiet", script)
    assert status == 1
    lines = err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{script}", line 2, in <module>'
    assert lines[-1] == "zmq.error.ZMQError: Operation cannot be accomplished in current state"
    assert "harness" not in err


def test_the_same_seed_gives_the_same_run_to_the_byte(folder: Path) -> None:
    """Hashes of texts included, which differ from process to process."""
    script = write(
        folder / "chance.py",
        """
        import random, threading, time, uuid, zmq
        context = zmq.Context()
        pull = context.socket(zmq.PULL)
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        def work(name):
            push = context.socket(zmq.PUSH)
            push.connect(f"tcp://127.0.0.1:{port}")
            for _ in range(20):
                time.sleep(random.random() / 1000)
                push.send_string(f"{name} {uuid.uuid4()}")
            push.close()
        for name in {"one", "two", "three"}:
            threading.Thread(target=work, args=(name,)).start()
        for _ in range(60):
            print(pull.recv_string(), time.time())
        """,
    )
    runs = [run("--quiet", "--seed", seed, script)[1] for seed in ("1", "1", "2")]
    assert runs[0].count("\n") == 60
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_the_trace_has_a_row_a_message_and_receiver(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = write(
        folder / "feed.py",
        """
        import time, zmq
        context = zmq.Context()
        pub, sub, other = (context.socket(kind) for kind in (zmq.PUB, zmq.SUB, zmq.SUB))
        pub.bind("inproc://feed")
        pub.send(b"early")
        sub.connect("inproc://feed"); other.connect("inproc://feed")
        sub.subscribe(b"")
        other.subscribe(b"a")
        time.sleep(0.1)
        pub.send_multipart([b"a", b"bc"])
        pub.send(b"b")
        sub.recv_multipart()
        """,
    )
    assert main(["--trace", str(folder / "out.parquet"), script]) == 0
    rows = pq.read_table(folder / "out.parquet").to_pylist()
    told = [
        (row["socket"], row["seq"], row["receiver_socket"], row["size_bytes"], row["fate"], row["cause"])
        for row in rows
    ]
    assert sorted(told, key=str) == [
        ("PUB#1", 0, None, 5, "lost", "no_peer"),
        ("PUB#1", 1, "SUB#1", 3, "delivered", ""),
        ("PUB#1", 1, "SUB#2", 3, "lost", "close_unread"),
        ("PUB#1", 2, "SUB#1", 1, "lost", "close_unread"),
    ]
    assert all((row["received_ns"] or 0) > row["sent_ns"] for row in rows if row["fate"] == "delivered")
    assert "lost 1: feed.py PUB#1: sent while nobody was connected (no_peer). " in capsys.readouterr().err


def test_json_is_one_document(folder: Path) -> None:
    status, out, err = run("--json", str(folder / "server.py"), "--", str(folder / "client.py"))
    assert status == 0
    document = json.loads(out)
    assert document["reason"] == "stuck"
    assert document["programs"]["server.py"] == {"exit_status": None, "ended_ns": None}
    assert document["programs"]["client.py"]["exit_status"] == 0
    assert 30e6 < document["programs"]["client.py"]["ended_ns"] < 40e6
    assert document["ledger"] == {"delivered": 6, "lost": {}, "unwanted": 0, "in_flight": 0, "unexplained": 0}
    assert [entry["sent"] for entry in document["sockets"]] == [3, 3]
    assert "re: 0" in err


# -- ends ------------------------------------------------------------------------------------------


def test_who_waits_for_ever_is_named(folder: Path) -> None:
    script = write(
        folder / "stuck.py",
        """
        import queue, threading, zmq
        context = zmq.Context()
        def collect(poller):
            poller.poll()
        pull = context.socket(zmq.PULL)
        pull.bind("inproc://results")
        poller = zmq.Poller()
        poller.register(pull)
        threading.Thread(target=collect, args=(poller,), name="collector").start()
        threading.Thread(target=queue.Queue().get).start()
        lock = threading.Lock()
        with lock:
            lock.acquire()
        """,
    )
    status, _, err = run(script)
    assert status == 3
    waits = err[err.index("nothing is left to happen") :].splitlines()[1:]
    assert [wait.partition(", since")[0].strip() for wait in waits] == [
        "stuck.py, main thread: in Lock.acquire",
        "stuck.py, collector: in Poller.poll on PULL#1, bound to inproc://results, no peer",
        "stuck.py, Thread-1 (get): in Queue.get",
    ]
    assert waits[1].endswith(f"at {script}:5 in collect")


def test_a_limit_that_was_asked_for_is_no_failure(folder: Path) -> None:
    script = write(folder / "ever.py", "import time\nwhile True:\n    time.sleep(1)\n")
    status, _, err = run("--until", "5s", script)
    assert status == 0
    assert err.splitlines()[0].startswith("--- 5 s of virtual time")
    assert "at the end of the virtual time (--until):" in err
    assert f"at {script}:3 in <module>" in err
    assert run(script)[0] == 3


def test_a_busy_loop_is_caught_and_shown(folder: Path) -> None:
    script = write(folder / "busy.py", "def spin():\n    while True:\n        pass\nspin()\n")
    status, _, err = run("--wall-limit", "500ms", script)
    assert status == 3
    assert "the limit of real time was hit (--wall-limit):" in err
    assert f"busy.py, main thread: at {script}:" in err
    assert " in spin" in err


def test_a_loop_that_reads_events_ends(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = write(
        folder / "events.py",
        """
        import threading, time, zmq
        context = zmq.Context()
        pull = context.socket(zmq.PULL)
        pull.bind("inproc://a")
        def later():
            time.sleep(5)
            push = context.socket(zmq.PUSH)
            push.connect("inproc://a")
            push.send(b"x")
        threading.Thread(target=later).start()
        while not pull.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            pass
        print(round(time.monotonic() - 86400, 3))
        """,
    )
    assert main(["--quiet", script]) == 0
    assert capsys.readouterr().out == "5.0\n"


def test_ctrl_c_ends_with_a_summary(folder: Path) -> None:
    script = write(folder / "busy.py", "print('on', flush=True)\nwhile True:\n    pass\n")
    with start(script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted:" in err
    assert "Traceback" not in err


def test_a_program_that_ends_takes_its_sockets_with_it(folder: Path) -> None:
    """What was handed to the kernel arrives; what nobody has connected for is lost."""
    write(
        folder / "sender.py",
        """
        import zmq
        context = zmq.Context()
        for port in (5555, 5556):
            push = context.socket(zmq.PUSH)
            push.connect(f"tcp://127.0.0.1:{port}")
            globals()[f"kept_{port}"] = push
            for number in range(10):
                push.send(b"%d" % number)
        """,
    )
    write(
        folder / "receiver.py",
        """
        import time, zmq
        pull = zmq.Context().socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:5555")
        time.sleep(1)
        late = zmq.Context.instance().socket(zmq.PULL)
        late.bind("tcp://127.0.0.1:5556")
        print(sum(pull.poll(100) and len(pull.recv()) for _ in range(10)), late.poll(5000))
        """,
    )
    status, out, err = run(str(folder / "receiver.py"), "--", str(folder / "sender.py"))
    assert status == 0
    assert out == "receiver.py | 10 0\n"
    assert "lost 10: sender.py PUSH#2: still queued when its socket was closed or its program ended (linger)" in err


def test_ctrl_c_in_virtual_time(folder: Path) -> None:
    polite = write(
        folder / "polite.py",
        """
        import zmq
        try:
            zmq.Context().socket(zmq.PULL).poll()
        except KeyboardInterrupt:
            print("counted 0")
        """,
    )
    status, out, err = run("--interrupt", "5s", polite, "--", str(folder / "server.py"))
    assert status == 0
    assert out == "polite.py | counted 0\n"
    assert "server.py | KeyboardInterrupt\n" in err
    assert "polite.py: exit status 0, server.py: exit status 130" in err
    assert err.count("Traceback") == 1


def test_times_stand_before_the_lines(folder: Path) -> None:
    script = write(folder / "tick.py", "import time\nfor _ in range(2):\n    time.sleep(1)\n    print('tick')\n")
    lines = run("--times", "--quiet", script)[1].splitlines()
    assert [(round(float(line.split()[0]), 2), line.split()[1]) for line in lines] == [(1.0, "tick"), (2.0, "tick")]


WRONG = [
    ([], "no script was given"),
    (["nothing.py"], "nothing.py: there is no such file"),
    (["."], ". is no file: name the script to be run"),
    (["--until", "5", "X"], '--until 5: has no unit: a duration is written such as "250us"'),
    (["--until", "0s", "X"], "--until 0s: must be more than nothing"),
    (["--wall-limit=-1s", "X"], "--wall-limit -1s: is negative"),
    (["--seed", "x", "X"], "argument --seed: invalid int value: 'x'"),
    (["--nonsense", "X"], "unrecognized arguments: --nonsense"),
    (["--profile", "none-such", "X"], "--profile none-such: "),
    (["--program", "X"], "--program 'SCRIPT': write \"NAME: SCRIPT ARGUMENTS\""),
    (["--trace", "no/where.parquet", "X"], "--trace no/where.parquet: there is no folder no"),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG, ids=[" ".join(words) or "nothing" for words, _ in WRONG])
def test_a_wrong_command_line_is_one_sentence(
    words: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = str(folder / "client.py")
    assert main([script if word == "X" else word for word in words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence.replace("SCRIPT'", script + "'") in err
    assert err.count("\n") == 1


def test_programs_by_name_take_any_argument(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = write(folder / "show.py", "import sys\nprint(sys.argv[1:])\n")
    assert main(["--quiet", "--program", f"a: {script} -- 'x y'", "--program", f"b: {script}", script, "-q"]) == 0
    assert capsys.readouterr().out == "a       | ['--', 'x y']\nb       | []\nshow.py | ['-q']\n"


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "python -m harness.twin server.py -- client.py" in out
    assert "exit status:" in out


def test_a_long_wait_costs_no_real_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = write(folder / "long.py", "import time\ntime.sleep(3600)\nprint(time.time() - 1767225600 > 3600)\n")
    before = time.monotonic()
    assert main(["--until", "2h", "--quiet", script]) == 0
    assert capsys.readouterr().out == "True\n"
    assert time.monotonic() - before < 5


def test_a_program_that_catches_everything_is_stopped_all_the_same(folder: Path) -> None:
    script = write(
        folder / "stubborn.py",
        """
        while True:
            try:
                while True:
                    pass
            except:
                pass
        """,
    )
    status, _, err = run("--wall-limit", "300ms", script)
    assert status == 3
    assert f"stubborn.py, main thread: at {script}:" in err


def test_files_that_a_program_leaves_open_are_written(folder: Path) -> None:
    script = write(
        folder / "writes.py",
        f"""
        import zmq
        text, data = open({str(folder / "text")!r}, "w"), open({str(folder / "data")!r}, "wb")
        text.write("all of it"); data.write(b"too")
        zmq.Context.instance().socket(zmq.PUB)
        """,
    )
    assert run(script)[0] == 0
    assert ((folder / "text").read_text(), (folder / "data").read_bytes()) == ("all of it", b"too")


def test_losses_of_like_sockets_are_told_together(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = write(
        folder / "many.py",
        """
        import zmq
        context = zmq.Context()
        for _ in range(50):
            push = context.socket(zmq.PUSH)
            push.connect("tcp://localhost:5555")
            push.send(b"x")
            push.close(linger=0)
        """,
    )
    assert main([script]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "  lost 50: many.py PUSH (50 sockets): still queued when its socket was closed" in "\n".join(lines)
    assert "  and 10 more sockets" in lines


def test_sets_of_tasks_futures_and_sockets_have_one_order(folder: Path) -> None:
    """By address, they would have another one in each process."""
    script = write(
        folder / "sets.py",
        """
        import asyncio, threading, time, zmq
        from concurrent.futures import ThreadPoolExecutor, as_completed
        kept = threading.local()
        async def wait(number):
            try: await asyncio.sleep(100)
            finally: print("cancelled", number)
        async def main():
            tasks = [asyncio.create_task(wait(number)) for number in range(8)]
            done, _ = await asyncio.wait([asyncio.create_task(asyncio.sleep(0.1, n)) for n in range(8)])
            print([one.result() for one in done])
        asyncio.run(main())
        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(lambda n=n: n) for n in range(8)]
            time.sleep(1)
            print([future.result() for future in as_completed(futures)])
        context = zmq.Context()
        sockets = {context.socket(zmq.PUSH) for _ in range(8)}
        print([socket.underlying - min(s.underlying for s in sockets) for socket in sockets])
        context.destroy()
        """,
    )
    (status, out, err), *others = [run("--quiet", script) for _ in range(3)]
    assert (status, err) == (0, "")
    assert others == [(status, out, err)] * 2
    assert out.splitlines()[-1] == "[0, 1, 2, 3, 4, 5, 6, 7]"
