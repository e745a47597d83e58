"""Writes docs/conformance.md: ``python -m tests.conformance.page`` plays every row in both worlds (a minute or two).

What a row says comes from the registry, so does the state of the simulation, which the tests hold to it; the state of
the live arm is what was seen when the page was written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tests.both.stage import LiveStage, SimStage

from .cases import CASES, Case, Unplayed, matches
from .registry import rows

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
AGREES, DIFFERS, NOT_PLAYED = "agrees", "differs", "not played"
AT_A_TIME = 4
LIMIT_S = 60.0

TITLES = {
    "hwm": "High-water marks",
    "pipeline": "PUSH and PULL",
    "reqrep": "REQ and REP",
    "router": "ROUTER and DEALER",
    "pubsub": "PUB, SUB, XPUB, XSUB",
    "pair": "PAIR",
    "endpoints": "Endpoints and connections",
    "options": "Options",
    "conflate": "CONFLATE",
    "poll": "Polling",
    "monitor": "Monitors",
    "heartbeat": "Heartbeats and handshake limits",
    "security": "Security",
    "proxy": "Proxies and devices",
    "stream": "STREAM",
    "zmtp": "The wire",
    "draft": "The draft interface",
    "rfc28": "RFC 28, REQREP",
    "rfc29": "RFC 29, PUBSUB",
    "rfc30": "RFC 30, PIPELINE",
    "rfc31": "RFC 31, EXPAIR",
}

HEAD = """# Conformance

<!-- Written by `make conformance`; do not edit. -->

Each row is one scenario with one body, a piece of plain pyzmq that runs unchanged on real sockets and in the
simulation (`tests/conformance/`). *Shown* is what the real library shows, and what both worlds are held to by the
tests; `$range`, `$in` and `$set` stand for a number within, any one of, and these in any order. Where the source (a
test of libzmq or pyzmq, or an RFC) says something else, the row has both, and the departure is libzmq's. The words
fill, drain, settle and nb-send are explained in `tests/both/stage.py`.
"""


def simulation(row: Case | Unplayed) -> str:
    """The state of the simulation; the tests hold it to this."""
    if isinstance(row, Unplayed):
        return NOT_PLAYED
    return AGREES if row.later is None else "not simulated: " + row.later.replace("|", ", ")


def cell(value: str) -> str:
    """Text as the content of a cell."""
    return re.sub(r"([\\|<>*_\[\]])", r"\\\1", value)


def code(value: Any) -> str:
    """An outcome as the content of a cell."""
    return "`" + json.dumps(value).replace("|", "\\|") + "`"


def line(row: Case | Unplayed, live: str) -> str:
    """One row of a table."""
    if isinstance(row, Unplayed):
        shown, remarks = "not played", f"Not played: {row.reason}."
    else:
        shown, remarks = code(row.expected), row.remarks
    if row.claimed is not None:
        shown += f" (the source: {code(row.claimed)})"
    cells = [row.name, simulation(row), live, cell(row.sockets), cell(row.scenario), cell(row.source), shown]
    return "| " + " | ".join([*cells, cell(remarks)]) + " |"


def summary(live: dict[str, str], libzmq: str, pyzmq: str) -> str:
    """How many rows are in which state."""
    everything = rows()
    simulated = [simulation(row) for row in everything]
    departures = [row.name for row in everything if isinstance(row, Case) and row.claimed is not None]
    return f"""
| | rows | agree | differ | not simulated yet | not played |
| --- | --- | --- | --- | --- | --- |
| simulation | {len(everything)} | {simulated.count(AGREES)} | 0 | \
{sum(state.startswith("not simulated") for state in simulated)} | {simulated.count(NOT_PLAYED)} |
| live | {len(everything)} | {list(live.values()).count(AGREES)} | {list(live.values()).count(DIFFERS)} | - | \
{simulated.count(NOT_PLAYED)} |

Live: libzmq {libzmq}, pyzmq {pyzmq}.

libzmq departs from what the source says in {len(departures)} rows (those of the draft interface among them, which a
stable build refuses): {", ".join(departures)}.
"""


def render(live: dict[str, str], libzmq: str, pyzmq: str) -> str:
    """The whole page."""
    parts = [HEAD, summary(live, libzmq, pyzmq)]
    everything = rows()
    for area in dict.fromkeys([*TITLES, *(row.area for row in everything)]):
        parts.append(f"\n## {TITLES.get(area, area.capitalize())}\n\n")
        parts.append("| row | simulation | live | sockets | scenario | source | shown | remarks |\n")
        parts.append("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
        parts += [line(row, live.get(row.name, NOT_PLAYED)) + "\n" for row in everything if row.area == area]
    return "".join(parts)


def live_states(page: str) -> tuple[dict[str, str], str, str]:
    """What a page says of the live arm: the states, and the versions of libzmq and pyzmq."""
    states = dict(re.findall(r"^\| (\w[\w-]+) \| [^|]* \| (\w+) \|", page, re.MULTILINE))
    versions = re.search(r"Live: libzmq (\S+), pyzmq (\S+)\.$", page, re.MULTILINE)
    assert versions, "the page does not say which library was played"
    return {name: state for name, state in states.items() if name in CASES}, versions[1], versions[2]


def play_live(name: str) -> tuple[str, Any]:
    """Play one case on real sockets: its name and what it saw."""
    try:
        return name, LiveStage().play(CASES[name].body)
    except Exception as error:
        return name, f"{type(error).__name__}: {error}"


def differing(outcomes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The outcomes that are not as expected."""
    return {name: got for name, got in outcomes if not matches(CASES[name].expected, got)}


def main() -> None:
    """Play everything and write the page."""
    import zmq

    simulated = differing((row.name, SimStage().play(row.body)) for row in CASES.values() if row.later is None)
    with ProcessPoolExecutor(AT_A_TIME) as pool:
        live = differing(pool.map(play_live, sorted(CASES), timeout=LIMIT_S * len(CASES)))
    for world, different in (("simulation", simulated), ("live", live)):
        for name, got in different.items():
            print(f"{world}: {name} gave {got}\n  expected {CASES[name].expected}")
    states = {name: DIFFERS if name in live else AGREES for name in CASES}
    PAGE.write_text(render(states, zmq.zmq_version(), zmq.pyzmq_version()), encoding="utf-8")
    if simulated:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
