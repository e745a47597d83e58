"""The transports pgm and epgm: a libzmq that was built with OpenPGM."""

from __future__ import annotations

import zmq

HELP = "the wheels of pyzmq have no pgm; Debian's libzmq has (package libzmq5), for a pyzmq that is built against it"


def probe() -> str | None:
    """The library says whether it has it."""
    return None if zmq.has("pgm") else f"libzmq {zmq.zmq_version()} was built without OpenPGM"


def detail() -> str:
    """Which library."""
    return f"libzmq {zmq.zmq_version()}"
