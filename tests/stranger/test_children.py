"""``multiprocessing`` in virtual time: a process is one more simulated program."""

from __future__ import annotations

from pathlib import Path

from tests.stranger.stand import run_text


def test_workers_in_processes_of_their_own(tmp_path: Path) -> None:
    ran = run_text(
        """
        import multiprocessing, os, sys, time, zmq
        asked = 0
        class Job:
            def __init__(self, number): self.number = number
        def worker(number, results, done):
            global asked
            pull = zmq.Context.instance().socket(zmq.PULL)
            pull.connect("tcp://127.0.0.1:5555")
            for _ in range(2):
                job = pull.recv_pyobj()
                asked += 1
                time.sleep(1)
                results.put((number, job.number, asked, type(job) is Job))
            done.release()
            sys.exit(number)
        if __name__ == "__main__":
            results, done = multiprocessing.Queue(), multiprocessing.Semaphore(0)
            push = zmq.Context.instance().socket(zmq.PUSH)
            push.bind("tcp://127.0.0.1:5555")
            make, more = multiprocessing.Process, {"done": done}
            workers = [make(target=worker, args=(n, results), kwargs=more) for n in range(2)]
            for one in workers: one.start()
            time.sleep(0.5)
            for number in range(4): push.send_pyobj(Job(number))
            for _ in workers: done.acquire()
            got = sorted(results.get() for _ in range(4))
            print([got[n][::2] for n in range(4)], sorted(one[1] for one in got), all(one[3] for one in got), asked)
            for one in workers: one.join()
            print([one.exitcode for one in workers], len({one.pid for one in workers} | {os.getpid()}))
        """,
        tmp_path,
    )
    assert ran.lines == [
        "[(0, 1), (0, 2), (1, 1), (1, 2)] [0, 1, 2, 3] True 0",
        "[0, 1] 3",
    ], ran.err
    assert ran.status == 0


def test_a_class_of_processes_and_how_they_end(tmp_path: Path) -> None:
    ran = run_text(
        """
        import multiprocessing as mp, queue, time
        class Patient(mp.Process):
            def __init__(self, jobs):
                super().__init__(name="patient", daemon=True)
                self.jobs = jobs
            def run(self):
                try: self.jobs.get(timeout=1)
                except queue.Empty: print(mp.current_process().name, "got nothing")
                while True: time.sleep(1)
        def fail():
            raise KeyError("child")
        def outlive():
            time.sleep(5)
            print("outlived")
        if __name__ == "__main__":
            patient = Patient(mp.Queue())
            patient.start()
            patient.join(3)
            print(patient.is_alive(), patient.exitcode)
            patient.terminate(); patient.join()
            print(patient.is_alive(), patient.exitcode)
            bad = mp.Process(target=fail)
            bad.start(); bad.join()
            print(bad)
            mp.Process(target=outlive).start()
            Patient(mp.Queue()).start()
            print("main ends")
        """,
        tmp_path,
    )
    assert ran.lines == [
        *("patient got nothing", "True None", "False -15", "<Process name='Process-2' stopped exitcode=1>"),
        *("main ends", "outlived"),
    ], ran.err
    assert ran.err.startswith("Process Process-2:\nTraceback (most recent call last):\n")
    assert ran.err.endswith("KeyError: 'child'\n")


def test_pipes_locks_and_events_are_shared(tmp_path: Path) -> None:
    ran = run_text(
        """
        import multiprocessing as mp, time
        def child(end, lock, ready):
            with lock:
                ready.set()
                time.sleep(2)
                end.send({"at": round(time.monotonic())})
            end.close()
        if __name__ == "__main__":
            here, there = mp.Pipe()
            lock, ready = mp.RLock(), mp.Event()
            mp.Process(target=child, args=(there, lock, ready)).start()
            print(here.poll(), ready.wait(5))
            begun = time.monotonic()
            with lock:
                print(round(time.monotonic() - begun, 1))
            print(here.poll(1), here.recv())
            try: here.recv()
            except EOFError: print("end")
        """,
        tmp_path,
    )
    assert ran.lines == ["False True", "2.0", "True {'at': 86402}", "end"], ran.err


def test_a_process_started_while_the_script_is_imported_is_refused(tmp_path: Path) -> None:
    ran = run_text(
        """
        import multiprocessing
        def nothing(): pass
        one = multiprocessing.Process(target=nothing)
        one.start(); one.join()
        print(one.exitcode)
        """,
        tmp_path,
    )
    assert ran.lines == ["1"]
    assert 'start processes below `if __name__ == "__main__":` only' in ran.err


def test_a_daemon_dies_with_its_parent(tmp_path: Path) -> None:
    ran = run_text(
        """
        import multiprocessing, time
        def tick():
            while True:
                time.sleep(1); print("tick")
        if __name__ == "__main__":
            multiprocessing.Process(target=tick, daemon=True).start()
            time.sleep(2.5)
        """,
        tmp_path,
    )
    assert ran.lines == ["tick", "tick"]
