"""The figures of a report: inline SVG that follows the page, or the sentence that stands in its place."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from harness import kinds
from harness.ledger.observed import Recorded
from harness.plots import NothingToDrawError

PLOTS = ("loss_by_cause", "shares", "latency_cdf", "timeline", "backlog", "memory", "gap_lengths", "parity")
"""Figures in the order of the report; kinds that are not named here follow."""

HEADINGS = {
    "loss_by_cause": "Loss by cause",
    "shares": "Shares",
    "latency_cdf": "Latency",
    "timeline": "Over time",
    "backlog": "Backlog",
    "memory": "Memory",
    "gap_lengths": "Gaps and credit",
    "parity": "Simulated over live",
}

_THEMED = {
    "#1b1f24": "var(--ink)",
    "#6a737d": "var(--faint)",
    "#d8dde3": "var(--grid)",
    "#fefefe": "var(--paper)",
    "#d55e00": "var(--live)",
    "#0072b2": "var(--sim)",
}
"""Colours of the figures that follow the reader's light or dark setting."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure, or the sentence that stands in its place."""

    heading: str
    svg: Markup
    sentence: str
    caption: str


def pictures(results: Sequence[Recorded], prefix: str) -> list[Picture]:
    """All kinds of figures of these runs. ``prefix``: makes the ids in them unique on the page."""
    known = kinds.names("harness.plots")
    ordered = [*(kind for kind in PLOTS if kind in known), *(kind for kind in known if kind not in PLOTS)]
    return [picture(kind, results, f"{prefix}-{kind}") for kind in ordered]


def picture(kind: str, results: Sequence[Recorded], prefix: str) -> Picture:
    """Draw one kind of figure. ``prefix``: makes the ids in it unique on the page."""
    module = kinds.load("harness.plots", kind)
    heading = HEADINGS.get(kind, kind.replace("_", " ").capitalize())
    try:
        figure = module.draw(results)
    except NothingToDrawError as reason:
        return Picture(heading, Markup(""), str(reason), "")
    return Picture(heading, svg(figure, prefix), "", module.CAPTION)


def svg(figure: Figure, prefix: str) -> Markup:
    """A figure as inline SVG: text stays text, ids are unique, colours follow the page, nothing is referred to."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix}):
        FigureCanvasSVG(figure)
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href=", "href=")
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", text)
    text = re.sub(r"font: ([^;\"]*?)'[^;\"]*", r"font: \1 var(--sans)", text)
    for colour, variable in _THEMED.items():
        text = text.replace(colour, variable)
    size = re.search(r'width="([\d.]+)pt"', text)
    style = f"max-width: {float(size.group(1)) * 1.6:.0f}px" if size else ""
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", text)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", text)
    return Markup(text.replace("<svg", f'<svg role="img" style="{style}"', 1))  # noqa: S704 - matplotlib escapes text
