"""A sample of the swarm, and proof that it bites: a twin that is broken on purpose is found out."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

from harness.twin.fq import FairQueue
from harness.twin.io_thread import IoThread
from harness.twin.msg import DATA, Msg
from harness.twin.pipe import Pipe
from harness.twin.session import Session
from harness.twin.sockets.router import Router
from harness.twin.sockets.xsub import XSub

from . import crowd
from .__main__ import main
from .coverage import EXPECTED
from .draw import draw
from .shrink import shrink
from .world import play

SAMPLE = 120
FIRST = 500_000
"""No seed that `make swarm` plays."""


@pytest.mark.parametrize("first", range(FIRST, FIRST + SAMPLE, 30))
def test_no_seed_breaks_a_law(first: int) -> None:
    for seed in range(first, first + 30):
        outcome = play(draw(seed))
        assert not outcome.broken, f"make swarm SEED={seed}: {outcome.broken}"


def test_a_seed_is_the_same_to_the_byte_in_processes_that_are_not() -> None:
    report = crowd.run(range(FIRST, FIRST + 20), jobs=2, within_s=100)
    assert report.twice == 20
    assert report.broken == {}


def test_one_worker_does_both_runs() -> None:
    report = crowd.run(range(FIRST, FIRST + 4), jobs=1, within_s=100)
    assert report.twice == 4


def test_seeds_differ() -> None:
    assert len({play(draw(seed)).digest for seed in range(FIRST, FIRST + 10)}) == 10


def test_a_worker_speaks_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"[{FIRST}]\n"))
    assert main(["--worker"]) == 0
    assert capsys.readouterr().out.startswith(f"[{FIRST}, ")


def test_one_seed_shows_its_plan_and_replays(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(FIRST)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"seed {FIRST}: ")
    assert "no law was broken" in said


def test_what_never_occurs_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "2", "--first", str(FIRST), "--jobs", "1"]) == 0
    never = capsys.readouterr().out.partition("never: ")[2].partition("\n")[0].split(", ")
    assert set(never) < set(EXPECTED)
    assert never


def test_out_of_time_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "1000", "--first", str(FIRST), "--jobs", "1", "--within", "0"]) == 3


# -- the swarm bites -------------------------------------------------------------------------------------


def every(number: int, whole: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
    """``whole``, but every so-manyth call does something else."""
    count = 0

    def sometimes(*args: Any) -> Any:
        nonlocal count
        count += 1
        return instead(*args) if count % number == 0 else whole(*args)

    return sometimes


def forgets_to_wake(pipe: Pipe) -> None:
    """Lost wake-up."""


def loses_the_newest(pipe: Pipe) -> None:
    if pipe.out_queue and pipe.out_queue[-1].kind == DATA:
        pipe.out_queue.pop()


def swaps_the_newest(pipe: Pipe) -> None:
    queue = pipe.out_queue
    if queue is not None and len(queue) > 1 and queue[-1].kind == queue[-2].kind == DATA:
        queue[-1], queue[-2] = queue[-2], queue[-1]


def credits_too_much(pipe: Pipe, count: int) -> None:
    pipe.credit = count + 1
    if not pipe.out_active:
        pipe.out_active = True
        pipe.owner.write_activated(pipe)


def credits_nothing(pipe: Pipe, count: int) -> None:
    """A credit that does not arrive."""


def wants_all(_: XSub, data: bytes) -> bool:
    return True


def answers_the_wrong_one(router: Router, msg: Msg) -> bool:
    others = list(router._out_pipes)
    return Router_address(router, Msg(others[0], more=True) if others and msg.more else msg)


Router_address = Router._address


def serves_the_first_only(queue: FairQueue) -> Msg | None:
    queue._current = 0
    return FairQueue_recv(queue)


FairQueue_recv = FairQueue.recv


def forgets_a_command(thread: IoThread, command: Any, argument: Any) -> None:
    """A command to an I/O thread that gets lost."""


def alters_a_frame(session: Session) -> Msg | None:
    msg = Session_pull(session)
    if msg is None or msg.kind != DATA or len(msg.data) < 200:
        return msg
    return Msg(msg.data[:-1] + b"\1", msg.more)


Session_pull = Session.pull_msg

BUGS = {
    "a wake-up is lost": (Pipe, "flush", every(40, Pipe.flush, forgets_to_wake), "nobody has said so"),
    "a message is lost": (Pipe, "flush", every(40, Pipe.flush, loses_the_newest), "messages, "),
    "two messages change places": (Pipe, "flush", every(3, Pipe.flush, swaps_the_newest), "over the same pipe"),
    "credit comes too early": (Pipe, "process_activate_write", credits_too_much, "credit"),
    "credit is lost": (
        Pipe,
        "process_activate_write",
        every(9, Pipe.process_activate_write, credits_nothing),
        "not on its way",
    ),
    "SUB does not filter": (XSub, "_wanted", wants_all, "subscribed are"),
    "ROUTER answers somebody else": (Router, "_address", answers_the_wrong_one, "received a reply to"),
    "a pipe is never served": (FairQueue, "recv", serves_the_first_only, "passed over"),
    "an I/O thread misses a command": (IoThread, "post", every(60, IoThread.post, forgets_a_command), ""),
    "a byte is altered": (Session, "pull_msg", every(5, Session.pull_msg, alters_a_frame), "sent was"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_broken_twin_is_found_out(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, instead, sentence = BUGS[bug]
    monkeypatch.setattr(owner, name, instead)
    for seed in range(400):
        if any(sentence in broken for broken in play(draw(seed)).broken):
            return
    pytest.fail("no seed of four hundred noticed")


def test_a_plan_shrinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(XSub, "_wanted", wants_all)
    seed = next(seed for seed in range(200) if "subscribed are" in " ".join(play(draw(seed)).broken))
    whole = draw(seed)
    small, outcome = shrink(whole)
    assert "subscribed are" in outcome.broken[0]
    assert sum(len(node.steps) for node in small.nodes) < sum(len(node.steps) for node in whole.nodes)
