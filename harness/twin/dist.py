"""Distributor: a copy of each message to every pipe that wants it; no room means no copy (F62-F65).

libzmq keeps one array of pipes in four sections; what a user can observe of it is this: a pipe whose
write was refused is passed over until credit comes (it is ``out_active`` again then), and all frames
of a message go to the pipes that took the first one.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.twin.msg import DATA, Msg
from harness.twin.observer import Observer
from harness.twin.pipe import ACTIVE, Pipe


class Distributor:
    """Outbound pipes of PUB, XPUB and (upstream) XSUB, SUB."""

    __slots__ = ("_more", "_refusing", "_taking", "pipes")

    def __init__(self) -> None:
        self.pipes: dict[Pipe, None] = {}
        self._more = False
        self._taking: list[Pipe] = []
        self._refusing: list[Pipe] = []

    def attach(self, pipe: Pipe) -> None:
        """A new pipe takes part from the next message on (F64)."""
        self.pipes[pipe] = None

    def pipe_terminated(self, pipe: Pipe) -> None:
        """The pipe is gone, also from a message under way."""
        del self.pipes[pipe]
        if self._more and pipe in self._taking:
            self._taking.remove(pipe)
            self._refusing.append(pipe)

    @staticmethod
    def check_hwm(pipes: Iterable[Pipe]) -> bool:
        """Whether all of them have room; passive ones are not asked (F66)."""
        return all(pipe.check_hwm() for pipe in pipes if pipe.out_active)

    @property
    def in_message(self) -> bool:
        """Whether frames of a message are still to come."""
        return self._more

    def send(self, msg: Msg, matching: Iterable[Pipe], observer: Observer) -> None:
        """Write one frame; ``matching`` counts for the first frame of a message only."""
        if self._more:
            self._continue(msg)
        elif msg.more:
            self._taking = []
            self._refusing = []
            for pipe in matching:
                (self._taking if pipe.write(msg) else self._refusing).append(pipe)
        else:
            for pipe in matching:
                if pipe.write(msg):
                    queue = pipe.out_queue
                    if not queue.awake:  # type: ignore[union-attr]
                        pipe.flush()
                else:
                    self._refused(msg, pipe, observer)
            return
        self._more = msg.more
        if not msg.more:
            for pipe in self._taking:
                pipe.flush()
            for pipe in self._refusing:
                self._refused(msg, pipe, observer)

    def _continue(self, msg: Msg) -> None:
        for pipe in list(self._taking):
            if not pipe.write(msg):
                pipe.rollback()
                self._taking.remove(pipe)
                self._refusing.append(pipe)

    @staticmethod
    def _refused(msg: Msg, pipe: Pipe, observer: Observer) -> None:
        if msg.kind == DATA:
            observer.lost("hwm_sender" if pipe.state == ACTIVE else "disconnect_pipe", msg, pipe.remote)
        else:
            observer.lost("subscription_lost", msg, pipe.remote)
