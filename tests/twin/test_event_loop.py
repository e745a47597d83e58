"""asyncio in virtual time: programs as their authors write them, on their own copy of Python's asyncio."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from harness.twin import Twin, run_file
from harness.twin.virtual.refusals import NotVirtualError


def run(folder: Path, code: str) -> Twin:
    script = folder / "program.py"
    script.write_text(textwrap.dedent(code))
    return run_file(script, until_ns=3600 * 10**9)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_requests_are_answered_while_others_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that thinks for a second, two clients at it; a minute of waiting takes none."""
    run(
        tmp_path,
        """
        import asyncio, time, zmq, zmq.asyncio

        async def worker(context):
            with context.socket(zmq.ROUTER) as socket:
                socket.bind("tcp://127.0.0.1:5555")
                while True:
                    who, number = await socket.recv_multipart()
                    await asyncio.sleep(1)
                    await socket.send_multipart([who, number])

        async def client(context, number):
            with context.socket(zmq.DEALER) as socket:
                socket.connect("tcp://127.0.0.1:5555")
                for _ in range(3):
                    await socket.send(b"%d" % number)
                    assert await socket.recv() == b"%d" % number
            return number

        async def main():
            context = zmq.asyncio.Context()
            serving = asyncio.create_task(worker(context))
            started = time.monotonic()
            print(await asyncio.gather(client(context, 1), client(context, 2)))
            print(round(time.monotonic() - started))
            await asyncio.sleep(60)
            serving.cancel()
            try:
                await serving
            except asyncio.CancelledError:
                print("cancelled")
            context.term()

        asyncio.run(main())
        """,
    )
    assert said(capsys) == ["[1, 2]", "6", "cancelled"]


def test_timeouts_pollers_and_cancelled_futures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(
        tmp_path,
        """
        import asyncio, time, zmq
        from zmq.asyncio import Context, Poller

        async def main():
            with Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
                port = pull.bind_to_random_port("tcp://127.0.0.1")
                started = time.monotonic()
                try:
                    await asyncio.wait_for(pull.recv(), 2)
                except asyncio.TimeoutError:
                    print("late", round(time.monotonic() - started, 1))
                poller = Poller()
                poller.register(pull, zmq.POLLIN)
                print(await poller.poll(500), round(time.monotonic() - started, 1))
                push.connect(f"tcp://127.0.0.1:{port}")
                await push.send(b"x")
                print([events for _, events in await poller.poll()], await pull.recv())

        asyncio.run(main())
        """,
    )
    assert said(capsys) == ["late 2.0", "[] 2.5", "[1] b'x'"]


def test_a_timer_is_rounded_up_as_epoll_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(
        tmp_path,
        """
        import asyncio, time

        async def main():
            for wanted in (0.0001, 0.0021, 1.5):
                started = time.monotonic()
                await asyncio.sleep(wanted)
                print(int((time.monotonic() - started) * 1000))

        asyncio.run(main())
        """,
    )
    assert said(capsys) == ["1", "3", "1500"]


def test_threads_and_loops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A loop a thread, each with its own running loop; work in threads; calls from one into the other."""
    run(
        tmp_path,
        """
        import asyncio, threading, time

        def blocking(seconds):
            time.sleep(seconds)
            return threading.current_thread() is threading.main_thread()

        async def ticks(name, seconds):
            mine = asyncio.get_running_loop()
            for _ in range(3):
                await asyncio.sleep(seconds)
                assert asyncio.get_running_loop() is mine
            return name

        async def main():
            loop = asyncio.get_running_loop()
            told = asyncio.Event()
            results = []
            other = threading.Thread(target=lambda: results.append(asyncio.run(ticks("other", 0.3))))
            other.start()
            threading.Timer(0.5, lambda: loop.call_soon_threadsafe(told.set)).start()
            started = time.monotonic()
            await told.wait()
            print(round(time.monotonic() - started, 1))
            print(await asyncio.gather(asyncio.to_thread(blocking, 2), ticks("main", 0.1)))
            print(round(time.monotonic() - started, 1))
            other.join()
            print(results)

        asyncio.run(main())
        """,
    )
    assert said(capsys) == ["0.5", "[False, 'main']", "2.5", "['other']"]


def test_a_generator_that_was_left_is_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(
        tmp_path,
        """
        import asyncio

        async def numbers():
            try:
                yield 1
                yield 2
            finally:
                await asyncio.sleep(0.1)
                print("finished")

        async def main(kept):
            async for number in kept or numbers():
                print(number)
                break
            await asyncio.sleep(0 if kept else 1)

        asyncio.run(main(None))
        asyncio.run(main(kept := numbers()))
        """,
    )
    assert said(capsys) == ["1", "finished", "1", "finished"]


def test_a_loop_that_only_spins_comes_to_an_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(
        tmp_path,
        """
        import asyncio, time

        async def main():
            started = time.monotonic()
            while time.monotonic() < started + 1:
                await asyncio.sleep(0)
            print("over")

        asyncio.run(main())
        """,
    )
    assert said(capsys) == ["over"]


def test_tornado_runs_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tornado")
    run(
        tmp_path,
        """
        import time, zmq
        from tornado.ioloop import IOLoop
        from zmq.eventloop.zmqstream import ZMQStream

        def received(message):
            print(message, round(time.monotonic() - started, 1))
            loop.call_later(5, loop.stop)

        context = zmq.Context()
        push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        push.connect(f"tcp://127.0.0.1:{pull.bind_to_random_port('tcp://127.0.0.1')}")
        loop = IOLoop.current()
        ZMQStream(pull).on_recv(received)
        loop.call_later(2, lambda: push.send(b"x"))
        started = time.monotonic()
        loop.start()
        print(round(time.monotonic() - started, 1))
        """,
    )
    assert said(capsys) == ["[b'x'] 2.0", "7.0"]


@pytest.mark.parametrize(
    "call",
    [
        "loop.add_reader(0, print)",
        "loop.add_writer(0, print)",
        "await asyncio.open_connection('localhost', 80)",
        "await asyncio.start_server(print, 'localhost', 80)",
        "await asyncio.create_subprocess_exec('true')",
    ],
)
def test_what_a_loop_cannot_wait_for_says_so(tmp_path: Path, call: str) -> None:
    code = f"""
        import asyncio

        async def main():
            loop = asyncio.get_running_loop()
            {call}

        asyncio.run(main())
        """
    with pytest.raises(NotVirtualError, match="cannot be simulated: asyncio can wait for ZeroMQ sockets"):
        run(tmp_path, code)
