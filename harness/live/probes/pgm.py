"""The transports pgm and epgm: a libzmq that was built with OpenPGM."""

from __future__ import annotations

import zmq

from harness.live import library

HELP = f"the wheels of pyzmq have no pgm, Debian's libzmq has (package libzmq5): {library.HELP}"


def probe() -> str | None:
    """The library says whether it has it, this process's own or the one that was made for it."""
    if zmq.has("pgm"):
        return None
    found = library.with_pgm()
    return found if isinstance(found, str) else None


def detail() -> str:
    """Which library."""
    found = library.own() if zmq.has("pgm") else library.with_pgm()
    return found if isinstance(found, str) else found.describe()
