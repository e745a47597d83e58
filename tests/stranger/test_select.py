"""Waiting for the descriptors of simulated sockets by other means than ZeroMQ's own."""

from __future__ import annotations

from pathlib import Path

from tests.stranger.stand import run_text


def test_select_waits_for_descriptors_of_sockets(tmp_path: Path) -> None:
    """They tell of commands (F56); a selector that is made of them works, too."""
    ran = run_text(
        """
        import select, selectors, threading, time, zmq
        context = zmq.Context()
        pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
        push.connect(f"tcp://127.0.0.1:{pull.bind_to_random_port('tcp://127.0.0.1')}")
        time.sleep(0.1)
        pull.get(zmq.EVENTS)
        began = time.monotonic()
        print(select.select([pull], [], [], 0.25), round(time.monotonic() - began, 2))
        threading.Timer(1, push.send, (b"x",)).start()
        print(select.select([pull.fd], [], []) == ([pull.fd], [], []), round(time.monotonic() - began, 2))
        print(pull.recv(), pull.get(zmq.EVENTS))
        with selectors.DefaultSelector() as selector:
            selector.register(pull, selectors.EVENT_READ, "mine")
            push.send(b"y")
            print([key.data for key, _ in selector.select(1)])
        """,
        tmp_path,
    )
    assert ran.lines == ["([], [], []) 0.25", "True 1.25", "b'x' 0", "['mine']"]
