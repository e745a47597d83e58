"""Every option of every socket type: what getting and setting it gives, errors included, as on the real library."""

from __future__ import annotations

from typing import Any

import pytest
import zmq as real
from zmq.constants import SocketOption, _OptType

from harness.twin import NotSimulatedYet, Twin

TYPES = [kind.name for kind in real.SocketType if kind.value <= real.STREAM.value]
INTEGERS = (-2, -1, 0, 1, 2, 3, 100, 6553599, 6553600, 2**31 - 1)
KEY = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
STRINGS = (b"", b"x", b"127.0.0.1/32", b"::1", KEY, b"k" * 32, b"k" * 41, b"x" * 255, b"x" * 256)

OF_THE_MACHINE = {
    "FD": "a number that differs from run to run",
    "LAST_ENDPOINT": "set by bind and connect",
}
"""Options that are not compared, and why."""


def told(call: Any, *arguments: Any) -> Any:
    """What a call gives: a value, or the name of its error."""
    try:
        return call(*arguments)
    except NotSimulatedYet:
        return NotSimulatedYet
    except Exception as error:
        number = getattr(error, "errno", None)
        return type(error).__name__ if number is None else f"{type(error).__name__} {number}"


def walk(zmq: Any, kind: str) -> dict[str, Any]:
    """Get each option of a new socket; set each to each value, and get it again."""
    found: dict[str, Any] = {}
    with zmq.Context() as context, context.socket(getattr(zmq, kind)) as fresh:
        for option in SocketOption:
            if option.name not in OF_THE_MACHINE:
                found[f"get {option.name}"] = told(fresh.get, int(option))
    for option in SocketOption:
        if option.name in OF_THE_MACHINE:
            continue
        # A context for each option: on a busy machine closed sockets may add up to more than one context may have.
        with zmq.Context() as context:
            for value in STRINGS if option._opt_type == _OptType.bytes else INTEGERS:
                with context.socket(getattr(zmq, kind)) as socket:
                    outcome = told(socket.set, int(option), value)
                    found[f"set {option.name} {value!r}"] = (outcome, outcome is None and told(socket.get, int(option)))
    return found


def in_the_twin(kind: str) -> dict[str, Any]:
    twin = Twin()
    results: list[dict[str, Any]] = []
    twin.spawn(lambda: results.append(walk(twin.zmq, kind)))
    twin.run()
    return results[0]


def missing(outcome: Any) -> bool:
    return outcome is NotSimulatedYet or (isinstance(outcome, tuple) and NotSimulatedYet in outcome)


@pytest.mark.parametrize("kind", TYPES)
def test_options_are_those_of_the_real_library(kind: str) -> None:
    theirs = walk(real, kind)
    ours = in_the_twin(kind)
    differing = {
        what: (theirs[what], ours[what]) for what in theirs if theirs[what] != ours[what] and not missing(ours[what])
    }
    assert not differing
