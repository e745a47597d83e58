"""TCP_MAXRT on one host: a peer that takes nothing is given up, and tried again (F156)."""

from __future__ import annotations

import pytest

from .stage import Stage

pytestmark = pytest.mark.timeout(30)


def watch(stage: Stage, maxrt: int) -> list[float]:
    """When a PUSH whose PULL does not read was disconnected, in seconds after it connected."""
    zmq = stage.zmq
    pull = stage.socket(zmq.PULL, RCVHWM=1, RCVBUF=4096)
    push = stage.socket(zmq.PUSH, SNDHWM=1, SNDBUF=4096, TCP_MAXRT=maxrt)
    endpoint = stage.bind(pull)
    monitor = push.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    push.connect(endpoint)
    start_ns, lost = stage.now_ns(), []
    while stage.now_ns() - start_ns < 4_500_000_000:
        stage.offer(push, bytes(1000))
        if monitor.poll(10):
            monitor.recv_multipart()
            lost.append((stage.now_ns() - start_ns) / 1e9)
    push.disable_monitor()
    monitor.close(0)
    return lost


def test_a_peer_that_takes_nothing_is_given_up(stage: Stage) -> None:
    """A second after its closed window was asked for, that is 1.2 s at least; and again on the next connection."""
    first, *more = stage.play(watch, 1000)
    assert 1.2 <= first < 2.2
    assert more
    assert 1.3 <= more[0] - first < 2.3


def test_without_it_a_peer_may_take_its_time(stage: Stage) -> None:
    assert stage.play(watch, 0) == []
