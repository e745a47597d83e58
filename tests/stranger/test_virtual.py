"""Clock, threads, chance and the operating system as a simulated program finds them."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from tests.stranger.stand import run_text


def test_a_sleep_takes_virtual_time_only(tmp_path: Path) -> None:
    before = time.monotonic()
    ran = run_text(
        """
        import time
        from time import sleep, monotonic as now
        start = now()
        sleep(30)
        print(30 <= now() - start < 30.001, time.strftime("%Y-%m-%d %H:%M:%S"), time.time_ns() // 10**9)
        """,
        tmp_path,
    )
    assert ran.lines == ["True 2026-01-01 00:00:30 1767225630"]
    assert time.monotonic() - before < 10


def test_a_loop_that_watches_the_clock_ends_in_time(tmp_path: Path) -> None:
    ran = run_text(
        """
        import time
        for wait in (0.001, 1, 30):
            end = time.monotonic() + wait
            while time.monotonic() < end:
                pass
            print((time.monotonic() - end) / wait < 0.01)
        """,
        tmp_path,
    )
    assert ran.lines == ["True", "True", "True"]


def test_clock_reads_of_a_working_program_stay_cheap(tmp_path: Path) -> None:
    ran = run_text(
        """
        import time
        stamps = [time.perf_counter_ns() for _ in range(9000)]
        steps = {later - sooner for sooner, later in zip(stamps, stamps[1:])}
        print(steps)
        """,
        tmp_path,
    )
    assert ran.lines == ["{50}"]


@pytest.mark.parametrize(
    "look",
    [
        *("event.is_set()", "not thread.is_alive()", "not jobs.empty()", "jobs.qsize()", "lock.acquire(False)"),
        *("event.wait(0)", "thread.join(0) or found", "threading.active_count() == 1", "time.sleep(0) or found"),
    ],
)
def test_a_loop_that_watches_another_thread_ends(tmp_path: Path, look: str) -> None:
    ran = run_text(
        f"""
        import queue, threading, time
        found = []
        event, jobs, lock = threading.Event(), queue.Queue(), threading.Lock()
        lock.acquire()
        def later():
            time.sleep(5)
            event.set(); jobs.put(1); lock.release(); found.append(1)
        thread = threading.Thread(target=later)
        thread.start()
        while not ({look}):
            pass
        print(5 < time.monotonic() - 86400 < 5.01)
        """,
        tmp_path,
    )
    assert ran.lines == ["True"]


@pytest.mark.parametrize(
    "look", ["pull.recv(zmq.DONTWAIT)", "poller.poll(0) or fail()", "push.send(b'', zmq.DONTWAIT)"]
)
def test_a_loop_of_calls_that_do_not_wait_ends(tmp_path: Path, look: str) -> None:
    """And it finds what comes at once, as if every turn had been played."""
    ran = run_text(
        f"""
        import threading, time, zmq
        context = zmq.Context.instance()
        pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
        pull.bind("inproc://jobs")
        poller = zmq.Poller()
        poller.register(pull, zmq.POLLIN)
        def fail():
            raise zmq.Again
        def peer():
            time.sleep(3)
            if "push" in {look!r}:
                pull2 = context.socket(zmq.PULL)
                pull2.bind("inproc://free")
                push.connect("inproc://free")
                time.sleep(1)
            else:
                other = context.socket(zmq.PUSH)
                other.connect("inproc://jobs")
                other.send(b"x")
        threading.Thread(target=peer).start()
        start = time.monotonic()
        while True:
            try:
                {look}
                break
            except zmq.Again:
                pass
        print(round(time.monotonic() - start, 3))
        """,
        tmp_path,
    )
    assert ran.lines == ["3.0"], ran.err


def test_threads_queues_and_executors_work(tmp_path: Path) -> None:
    ran = run_text(
        """
        import queue, sched, threading, time
        from concurrent.futures import ThreadPoolExecutor
        jobs = queue.PriorityQueue()
        def worker(number):
            for _ in range(2):
                time.sleep(number)
                jobs.put((number, threading.current_thread().name))
        threads = [threading.Thread(target=worker, args=(n,), name=f"w{n}") for n in (3, 2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print([jobs.get() for _ in range(4)])
        with ThreadPoolExecutor(2) as pool:
            start = time.monotonic()
            print(list(pool.map(lambda n: (time.sleep(1), n)[1], range(4))), round(time.monotonic() - start, 2))
        local = threading.local(); local.x = 1
        def other(): print(hasattr(local, "x"))
        thread = threading.Thread(target=other); thread.start(); thread.join()
        barrier = threading.Barrier(2, timeout=1)
        try: barrier.wait()
        except threading.BrokenBarrierError: print("broken")
        condition, done = threading.Condition(), []
        def waiter():
            with condition:
                print(condition.wait_for(lambda: done, timeout=9))
        thread = threading.Thread(target=waiter); thread.start()
        time.sleep(1)
        with condition:
            done.append(1); condition.notify_all()
        thread.join()
        with threading.RLock() as held: print(held)
        plan = sched.scheduler(); plan.enter(2, 1, print, ("planned",)); plan.run()
        try: queue.Queue().get(timeout=1)
        except queue.Empty: print("empty")
        """,
        tmp_path,
    )
    assert ran.lines == [
        "[(2, 'w2'), (2, 'w2'), (3, 'w3'), (3, 'w3')]",
        "[0, 1, 2, 3] 2.0",
        *("False", "broken", "[1]", "True", "planned", "empty"),
    ]
    assert (ran.err, ran.status) == ("", 0)


def test_the_process_stays_as_it_is(tmp_path: Path) -> None:
    before = dict(sys.modules), threading.active_count(), list(sys.argv), time.sleep
    ran = run_text(
        """
        import sys, threading, time, queue, random, logging, zmq, helper
        threading.Thread(target=time.sleep, args=(1,)).start()
        sys.argv.append("x")
        print(sys.modules["helper"].zmq is zmq, sys.modules["__main__"].__name__)
        """,
        _with(tmp_path, "helper.py", "import zmq, time\nfrom threading import Thread\n"),
    )
    assert ran.lines == ["True __main__"], ran.err
    after = dict(sys.modules), threading.active_count(), list(sys.argv), time.sleep
    assert {name: after[0][name] for name in before[0]} == before[0]
    assert after[1:] == before[1:]
    assert "helper" not in sys.modules


def _with(folder: Path, name: str, text: str) -> Path:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_helper_modules_and_packages_are_imported_as_python_does(tmp_path: Path) -> None:
    everything = "from .clock import *\nfrom . import clock as c\n__all__ = ['late']\n"
    _with(tmp_path, "tools/__init__.py", everything)
    _with(tmp_path, "tools/clock.py", "import time\ndef now(): return time.time()\n")
    _with(tmp_path, "tools/late.py", "from . import clock\n")
    ran = run_text(
        """
        import tools.clock, importlib
        from tools import *
        again = importlib.import_module("tools.clock")
        print(tools.now() - tools.c.now() < 1, tools.clock is again, tools.late.__name__)
        for line in ("import nothing.at_all", "from tools import nothing", "from . import x", "import tools.clock.x"):
            try: exec(line)
            except ImportError as error: print(type(error).__name__, error)
        """,
        tmp_path,
    )
    assert ran.lines[0] == "True True tools.late"
    assert ran.lines[1] == "ModuleNotFoundError No module named 'nothing'"
    assert ran.lines[2].startswith("ImportError cannot import name 'nothing' from 'tools'")
    assert ran.lines[3] == "ImportError attempted relative import with no known parent package"
    assert ran.lines[4] == "ModuleNotFoundError No module named 'tools.clock.x'; 'tools.clock' is not a package"


CHANCE = """
    import datetime, os, random, secrets, socket, tempfile, uuid
    print(random.random(), random.Random().random(), secrets.token_hex(), os.urandom(5), uuid.uuid4(), uuid.uuid1())
    print(datetime.datetime.now(), datetime.date.today(), os.getpid(), socket.gethostname())
    random.seed(7); print(random.random())
"""


def test_chance_comes_from_the_seed(tmp_path: Path) -> None:
    first, second, other = (run_text(CHANCE, tmp_path, seed=seed) for seed in (1, 1, 2))
    assert first.out == second.out
    assert first.lines[0] != other.lines[0]
    assert first.lines[1].startswith("2026-01-01 00:00:00 2026-01-01 1000")
    assert first.lines[2] == other.lines[2] == "0.32383276483316237"


def test_dates_mix_with_those_of_shared_modules(tmp_path: Path) -> None:
    ran = run_text(
        """
        import datetime as d, json, pickle, zoneinfo
        from datetime import datetime, date, timedelta
        now = datetime.now()
        print(isinstance(now, date), issubclass(datetime, date), isinstance(now - timedelta(1), datetime))
        print(datetime.fromtimestamp(0), datetime(2026, 1, 1).timestamp(), now.astimezone().tzinfo)
        print(pickle.loads(pickle.dumps(now)) == now, datetime.now(zoneinfo.ZoneInfo("Europe/Paris")).hour)
        class Mine(datetime): pass
        print(isinstance(now, Mine), isinstance(Mine.now(), Mine), type(Mine.now()) is Mine)
        """,
        tmp_path,
    )
    assert ran.lines == [
        "True True True",
        "1970-01-01 00:00:00 1767225600.0 UTC",
        "True 1",
        "False True True",
    ], ran.err


def test_objects_of_the_programs_own_classes_can_be_sent(tmp_path: Path) -> None:
    ran = run_text(
        """
        import zmq
        class Order:
            def __init__(self, count): self.count = count
        with zmq.Context() as c, c.socket(zmq.PAIR) as a, c.socket(zmq.PAIR) as b:
            a.bind("inproc://a"); b.connect("inproc://a")
            a.send_pyobj(Order(3))
            print(b.recv_pyobj().count)
        """,
        tmp_path,
    )
    assert ran.lines == ["3"], ran.err


def test_arguments_output_and_logging_are_the_programs_own(tmp_path: Path) -> None:
    ran = run_text(
        """
        import argparse, atexit, io, logging, sys, contextlib, pprint
        parser = argparse.ArgumentParser()
        parser.add_argument("port", type=int)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(threadName)s %(message)s")
        if __name__ == "__main__":
            atexit.register(print, "bye")
            print(parser.parse_args().port, sys.argv[1:])
            logging.info("ready")
            with contextlib.redirect_stdout(io.StringIO()) as caught:
                print("hidden")
            pprint.pprint(caught.getvalue())
            class Timed:
                import time
                clock = time.time
            print(Timed().clock() > 0)
            sys.exit(7)
        """,
        tmp_path,
        "5555",
    )
    assert ran.lines == ["5555 ['5555']", "'hidden\\n'", "True", "bye"]
    assert ran.err == "2026-01-01 00:00:00,000 MainThread ready\n"
    assert ran.status == 7


def test_a_program_dies_as_under_python(tmp_path: Path) -> None:
    ran = run_text(
        """
        import zmq, threading
        def boom():
            raise KeyError("thread")
        thread = threading.Thread(target=boom); thread.start(); thread.join()
        zmq.Context.instance().socket(zmq.PULL).bind("tcp://nowhere")
        """,
        tmp_path,
    )
    assert ran.status == 1
    assert "KeyError: 'thread'" in ran.err
    assert ran.err.rstrip().endswith("zmq.error.ZMQError: Invalid argument (addr='tcp://nowhere')")
    assert "harness" not in ran.err.replace(str(tmp_path), "")


def test_a_program_waits_for_its_threads_but_not_for_daemons(tmp_path: Path) -> None:
    ran = run_text(
        """
        import threading, time
        def say(after, word):
            try:
                time.sleep(after); print(word)
            finally:
                print(word, "ends")
        threading.Thread(target=say, args=(2, "worker")).start()
        threading.Thread(target=say, args=(9, "daemon"), daemon=True).start()
        print("main")
        """,
        tmp_path,
    )
    assert ran.lines == ["main", "worker", "worker ends"]
    assert ran.status == 0


REFUSED = [
    ("import socket; socket.socket().listen()", "socket.listen() cannot be simulated: raw sockets"),
    ("import socket; socket.socket(type=socket.SOCK_DGRAM)", "socket.socket() cannot be simulated: raw sockets"),
    (
        "import socket; socket.create_connection(('a', 1))",
        "socket.create_connection() cannot be simulated: raw sockets",
    ),
    ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:1/')", "cannot be simulated: raw sockets"),
    ("import select; select.select([0], [], [], 1)", "select.select() cannot be simulated: file descriptors"),
    ("import select; select.epoll()", "select.epoll cannot be simulated: file descriptors"),
    ("import subprocess; subprocess.run(['ls'])", "subprocess.run() cannot be simulated: another process"),
    ("import subprocess; subprocess.Popen(['ls'])", "subprocess.Popen() cannot be simulated: another process"),
    ("import os; os.fork()", "os.fork() cannot be simulated: another process"),
    ("import os; os.system('ls')", "os.system() cannot be simulated: another process"),
    (
        "from multiprocessing import Pool\nPool()",
        "multiprocessing.Pool() cannot be simulated: another process",
    ),
    ("import gevent", "gevent cannot be simulated: gevent replaces"),
    ("import signal; signal.pause()", "signal.pause() cannot be simulated: signals"),
]


@pytest.mark.parametrize(("line", "sentence"), REFUSED, ids=[line for line, _ in REFUSED])
def test_what_cannot_be_virtual_says_so(tmp_path: Path, line: str, sentence: str) -> None:
    ran = run_text(line, tmp_path)
    assert ran.status == 1
    assert sentence in ran.err.splitlines()[-1]


def test_what_is_harmless_may_be_there(tmp_path: Path) -> None:
    ran = run_text(
        """
        import select, selectors, signal, socket, subprocess, multiprocessing, ssl
        print(socket.gethostname(), socket.AF_INET == 2, subprocess.PIPE, hasattr(select, "epoll"))
        print(signal.signal(signal.SIGINT, signal.SIG_IGN) is signal.default_int_handler)
        signal.signal(signal.SIGTERM, lambda number, frame: print("caught", number))
        signal.raise_signal(signal.SIGTERM)
        select.select([], [], [], 2)
        """,
        tmp_path,
    )
    assert ran.lines == ["main True -1 False", "True", "caught 15"], ran.err
    assert ran.status == 0


def test_an_alarm_clock_interrupts_a_call_that_goes_on(tmp_path: Path) -> None:
    """PEP 475: the handler runs in the main thread, then the receive waits for the rest of its timeout."""
    ran = run_text(
        """
        import signal, threading, time, zmq
        def ring(number, frame):
            assert threading.current_thread() is threading.main_thread()
            rung.append(round(time.monotonic() - began, 2))
        rung, began = [], time.monotonic()
        signal.signal(signal.SIGALRM, ring)
        assert signal.setitimer(signal.ITIMER_REAL, 0.1, 0.2) == (0.0, 0.0)
        socket = zmq.Context().socket(zmq.PULL)
        socket.rcvtimeo = 600
        try:
            socket.recv()
        except zmq.Again:
            print(rung, round(time.monotonic() - began, 2))
        left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
        print(round(left, 2), interval)
        signal.alarm(5)
        time.sleep(1)
        print(signal.alarm(0))
        """,
        tmp_path,
    )
    assert ran.lines == ["[0.1, 0.3, 0.5] 0.6", "0.1 0.2", "4"]


def test_an_alarm_clock_ends_a_call_or_the_program(tmp_path: Path) -> None:
    ran = run_text(
        """
        import signal, zmq
        def late(number, frame):
            raise TimeoutError("late")
        signal.signal(signal.SIGALRM, late)
        signal.alarm(2)
        socket = zmq.Context().socket(zmq.PULL)
        try:
            socket.recv()
        except TimeoutError as error:
            print(error)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(3)
        socket.recv()
        print("never")
        """,
        tmp_path,
    )
    assert ran.lines == ["late"]
    assert ran.status == 128 + 14


def test_a_socket_of_the_machine_finds_a_free_port(tmp_path: Path) -> None:
    ran = run_text(
        """
        import socket, zmq
        with socket.socket() as first, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as second:
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            first.bind(("", 0))
            second.bind(("127.0.0.1", 0))
            ports = {first.getsockname()[1], second.getsockname()[1]}
        assert len(ports) == 2
        server = zmq.Context.instance().socket(zmq.PULL)
        server.bind(f"tcp://127.0.0.1:{ports.pop()}")
        taken = int(server.last_endpoint.rpartition(b":")[2])
        try:
            socket.socket().bind(("127.0.0.1", taken))
        except OSError as error:
            print(error.strerror)
        """,
        tmp_path,
    )
    assert ran.lines == ["Address already in use"]


def test_a_file_beside_the_script_comes_first(tmp_path: Path) -> None:
    for name in ("queue", "code", "harness", "time", "colorsys"):
        _with(tmp_path, f"{name}.py", f"import zmq\nwhose = 'mine: {name}'\n")
    ran = run_text(
        """
        import queue, code, harness, colorsys, time, zmq
        print(queue.whose, code.whose, harness.whose, colorsys.whose)
        print(time.time(), zmq.Context.instance().closed)
        """,
        tmp_path,
    )
    assert ran.lines[0] == "mine: queue mine: code mine: harness mine: colorsys", ran.err
    assert ran.lines[1].endswith("False")


def test_a_compiled_package_is_shared_and_a_pure_one_is_not(tmp_path: Path) -> None:
    ran = run_text(
        """
        import sys, numpy, zmq, rich, greenlet
        print(numpy.arange(3).sum(), numpy.__name__, rich.__name__)
        """,
        tmp_path,
    )
    assert ran.lines == ["3 numpy rich"], ran.err
    import numpy as np

    assert sys.modules["numpy"] is np


def test_threads_have_data_of_their_own(tmp_path: Path) -> None:
    ran = run_text(
        """
        import threading, time
        class Kept(threading.local):
            common = 0
            def __init__(self, start): self.count = start
        kept, plain = Kept(5), threading.local()
        plain.x = "main"
        def work(name):
            time.sleep(0.1)
            kept.count += 1; kept.common = name
            print(name, kept.count, kept.common, getattr(plain, "x", None))
            plain.x = name
            time.sleep(0.1)
            print(plain.x, kept.common)
        threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(plain.x, kept.count, kept.common, vars(plain))
        del plain.x
        print(hasattr(plain, "x"))
        try: threading.local(1)
        except TypeError as error: print(error)
        """,
        tmp_path,
    )
    assert ran.lines == [
        *("a 6 a None", "b 6 b None", "a a", "b b", "main 5 0 {'x': 'main'}", "False"),
        "Initialization arguments are not supported",
    ], ran.err


def test_packages_may_import_in_a_circle(tmp_path: Path) -> None:
    _with(tmp_path, "ring/__init__.py", "from . import one\n")
    _with(tmp_path, "ring/one.py", "from . import two\nname = 'one'\n")
    two = "from . import one\nimport ring.one as same\ndef other(): return one.name, same is one\n"
    _with(tmp_path, "ring/two.py", two)
    ran = run_text("import ring.two\nprint(ring.two.other())\n", tmp_path)
    assert ran.lines == ["('one', True)"], ran.err
