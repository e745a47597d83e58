"""The report: self-contained, complete, and with a sentence where there is nothing to draw."""

from __future__ import annotations

import dataclasses
import functools
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from harness import kinds, report
from harness.compare import Comparison, compare
from harness.plots import NothingToDrawError
from harness.plots.loss_by_cause import look
from harness.report import answer
from harness.trace import CAUSES

from . import recorded

TITLE = "A slow subscriber makes the publisher drop"
QUESTION = "How much is lost, and from when on?"
KINDS = kinds.names("harness.plots")
VOID = {"meta", "link", "br", "hr", "img", "input", "path", "use", "rect", "circle"}


class Page(HTMLParser):
    """Collects what a page would load, its ids and what refers to them, and checks that tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action", "poster", "srcset") and value:
                self.loads.append(value)
            if name == "id" and value:
                self.ids.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@functools.cache
def made() -> tuple[tuple[recorded.Recording, ...], tuple[recorded.Recording, ...]]:
    rng = np.random.default_rng(0)
    live = recorded.slow_subscriber("live", 5, rng, fault=True)
    return tuple(recorded.slow_subscriber("sim", 10, rng, fault=True)), tuple(live)


@functools.cache
def judged() -> Comparison:
    return compare(*made())


@functools.cache
def full_page() -> str:
    sim, live = made()
    return report.render(TITLE, QUESTION, [*sim, *live], judged())


def render(results: Any, comparison: Any = None) -> Page:
    return Page(report.render(TITLE, QUESTION, list(results), comparison))


def test_nothing_is_loaded_from_anywhere() -> None:
    text = full_page()
    page = Page(text)
    assert all(load.startswith("#") for load in page.loads)
    assert "://" not in text
    assert "@import" not in text
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(page.tags)
    assert all(target.startswith("#") for target in re.findall(r"url\((.*?)\)", text))


def test_ids_are_unique_and_what_is_referred_to_is_there() -> None:
    text = full_page()
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    targets = {load[1:] for load in page.loads} | set(re.findall(r"url\(#(.*?)\)", text))
    assert targets
    assert targets <= set(page.ids)


def test_the_page_says_what_was_asked_and_what_came_out() -> None:
    text = Page(full_page()).text
    for part in (
        TITLE,
        QUESTION,
        "live",
        "simulated",
        "hwm_sender",
        "fast lost nothing in either world",
        "(p50)",
        "(p99)",
    ):
        assert part in text
    sim, live = made()
    mean = np.mean([100 * np.mean(_lost(one)) for one in live])
    assert f"slow lost {mean:.1f} % of 2,700 messages live (5 runs" in text
    assert f"{len(sim)} simulated runs" in text
    for metric in judged().metrics:
        assert metric.name in text
        assert metric.reason in text
    for one in (*sim, *live):
        assert one.run.id in text
    assert "harness run experiments/slow-subscriber.toml --world sim --seed 1 --replications 1" in text
    assert "machine.cores" in text
    assert "2.0 %" in text, "the steal share of a run"


def _lost(one: recorded.Recording) -> Any:
    table = one.rows.to_pylist()
    return [
        row["received_ns"] is None for row in table if row["receiver"] == "slow" and row["intended_ns"] >= 200_000_000
    ]


def test_all_figures_are_there_with_titles_that_state_a_finding() -> None:
    page = Page(full_page())
    assert page.tags.count("svg") == len(KINDS) - 2 >= 6, "all but the shares and the memory, of which there are none"
    for finding in (
        r"slow lost \d+\.\d % live, \d+\.\d % simulated",
        r"Half of what reaches slow is there within \d+(\.\d)? ms live",
        r"While busy is on, slow loses \d+\.\d % live",
        r"Up to \d+ live, \d+ simulated messages were under way",
        r"All \d+ stretches between gaps at slow are multiples of 50 messages",
        r"slow: the simulated loss is [\d.]+ points (above|below) the live",
    ):
        assert re.search(finding, page.text), finding


def test_colours_follow_the_reader() -> None:
    text = full_page()
    for colour in ("#1b1f24", "#d55e00", "#0072b2"):
        assert colour not in text.split("</style>", 1)[1]
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize("world", ["sim", "live"])
def test_one_world_alone_is_reported_and_says_so(world: str) -> None:
    sim, live = made()
    page = render(sim if world == "sim" else live)
    assert "No verdict." in page.text
    assert "Only one world ran, so there is nothing to set side by side." in page.text
    assert page.tags.count("svg") == len(KINDS) - 3
    assert "slow lost" in page.text


def plain_run(world: str, number: int, late: list[int | None], causes: list[str | None]) -> recorded.Recording:
    slow = recorded.rows("slow", late, causes)
    fast = recorded.rows("fast", late, causes)
    return recorded.recording(world, number, [fast, slow])


def both(late: list[int | None], causes: list[str | None]) -> Page:
    sim = [plain_run("sim", number, late, causes) for number in range(10)]
    live = [plain_run("live", number, late, causes) for number in range(5)]
    return render([*sim, *live], compare(sim, live))


def test_without_any_loss_the_causes_are_a_sentence() -> None:
    page = both([100_000] * 900, [None] * 900)
    assert "Nothing was lost in any run, so there is no cause to show." in page.text
    assert "No receiver had a gap between two deliveries" in page.text
    assert "Causes of loss, and what would" not in page.text
    assert "Simulation and live runs: agree." in page.text


def test_without_any_delivery_the_latency_is_a_sentence() -> None:
    page = both([None] * 900, ["no_peer"] * 900)
    assert "No message was delivered after the warm-up, so there is no latency to show." in page.text
    assert "Nothing reached slow." in page.text
    assert "100.0 %" in page.text
    assert "no_peer" in page.text


def test_without_any_message_the_report_says_so() -> None:
    page = both([], [])
    assert "No message was sent in these runs." in page.text
    assert "svg" not in page.tags


def test_every_cause_is_named_explained_and_has_a_look_of_its_own() -> None:
    names = (*CAUSES, "in_flight", "unexplained")
    assert set(answer.CAUSES) == set(names)
    assert len({look(name) for name in names}) == len(names)
    causes: list[str | None] = [None, *(name for name in names for _ in range(3))]
    late: list[int | None] = [1000, *[None] * (len(causes) - 1)]
    run = recorded.slow_subscriber_run("sim", 0, warmup_ns=0)
    page = render([recorded.recording("sim", 0, [recorded.rows("slow", late, causes)], run)])
    for name in names:
        assert page.text.count(name) >= 3, f"{name}: in the answer's table, in the figure and among the remedies"
        assert answer.CAUSES[name].remedy in page.text


def test_text_of_the_user_is_text() -> None:
    sim, _ = made()
    bad = "<script>alert(1)</script> & <b>"
    renamed = [dataclasses.replace(one, run=dataclasses.replace(one.run, variant=bad)) for one in sim[:1]]
    text = report.render(bad, bad, [*sim[:1], *renamed], None)
    assert "<script" not in text
    assert bad in Page(text).text


def test_variants_have_a_section_each(tmp_path: Path) -> None:
    sim, live = made()
    bigger = [dataclasses.replace(one, run=dataclasses.replace(one.run, variant="bigger")) for one in (*sim, *live)]
    other = compare(bigger[:10], bigger[10:])
    path = report.write(tmp_path, TITLE, QUESTION, [*sim, *live, *bigger], {"plain": judged(), "bigger": other})
    page = Page(path.read_text("utf-8"))
    assert "Variant plain" in page.text
    assert "Variant bigger" in page.text
    assert page.tags.count("svg") == 2 * (len(KINDS) - 2)
    assert len(page.ids) == len(set(page.ids))
    assert "--variant bigger" in page.text


def test_the_file_is_where_it_was_asked_for_and_nothing_else(tmp_path: Path) -> None:
    sim, _ = made()
    assert report.write(tmp_path / "new", TITLE, QUESTION, sim[:1], None) == tmp_path / "new" / "report.html"
    assert report.write(tmp_path / "mine.html", TITLE, QUESTION, sim[:1], None) == tmp_path / "mine.html"
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert names == ["mine.html", "report.html"]
    with pytest.raises(ValueError, match="at least one run"):
        report.write(tmp_path, TITLE, QUESTION, [], None)


def test_the_same_runs_give_the_same_page() -> None:
    sim, live = made()
    assert report.render(TITLE, QUESTION, [*sim, *live], judged()) == full_page()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("shares", "memory")])
def test_every_plot_draws_a_figure_with_named_axes(kind: str) -> None:
    sim, live = made()
    module = kinds.load("harness.plots", kind)
    figure = module.draw([*sim, *live])
    assert isinstance(figure, Figure)
    assert figure.get_suptitle()
    assert all(axes.get_xlabel() or axes.get_ylabel() for axes in figure.axes)
    assert module.CAPTION.endswith(".")
    with pytest.raises(NothingToDrawError):
        module.draw([])


def test_a_pool_is_reported_by_flow() -> None:
    rng = np.random.default_rng(0)
    live = recorded.worker_pool("live", 5, rng, (0.5, 0.3, 0.2))
    sim = recorded.worker_pool("sim", 10, rng, (0.5, 0.3, 0.2))
    page = render([*sim, *live], compare(sim, live))
    assert "What reached work took" in page.text
    assert re.search(r"worker-3 got the least of work: \d+\.\d % live, \d+\.\d % simulated", page.text)
    assert re.search(r"Of what arrived of work, worker-1 got \d+\.\d %, worker-2 \d+\.\d %", page.text)
    assert page.text.count("worker-2") >= 4, "in the answer, the shares, the verdicts and a panel of its own"
    with pytest.raises(NothingToDrawError):
        kinds.load("harness.plots", "shares").draw(made()[0])
    assert "share.work.worker-3" in page.text


def limited(run: Any, samples_kib: list[int]) -> Any:
    """The recording with a limit of 2 MiB on ``pub``, and such samples 100 ms apart, the last of which kills it."""
    nodes = tuple(dataclasses.replace(one, memory_limit_bytes=2 << 20) for one in run.run.topology.nodes[:1])
    nodes += run.run.topology.nodes[1:]
    topology = dataclasses.replace(run.run.topology, nodes=nodes)
    told = [("grown_kib", number, kib) for number, kib in enumerate(samples_kib)]
    if samples_kib and samples_kib[-1] >= 2048:
        told.append(("memory_limit", len(samples_kib) - 1, samples_kib[-1]))
    events = [
        {"time_ns": number * 100_000_000, "event": event, "node": "pub", "peer": None, "value": kib}
        for event, number, kib in told
    ]
    return recorded.recording(run.run.world, 0, [run.rows], dataclasses.replace(run.run, topology=topology), events)


def test_memory_is_drawn_where_it_is_limited() -> None:
    sim, live = made()
    memory = kinds.load("harness.plots", "memory")
    with pytest.raises(NothingToDrawError):
        memory.draw([*sim, *live])
    with pytest.raises(NothingToDrawError, match="No memory was sampled"):
        memory.draw([limited(sim[0], [])])
    figure = memory.draw([limited(sim[0], [0, 1000, 2048]), limited(live[0], [0, 600, 1200, 2100])])
    assert figure.get_suptitle() == "pub: killed after 0.3 s live, killed after 0.2 s\nsimulated"
    assert memory.draw([limited(live[0], [0, 512])]).get_suptitle() == "pub: at most 0.5 MiB live"
    (axes,) = figure.axes
    assert axes.get_ylim()[1] > 2
    assert axes.get_xlabel()
    assert memory.CAPTION.endswith(".")


def test_laws_stand_in_one_row_each_and_a_broken_one_stands_out() -> None:
    sim, live = (list(part) for part in made())
    laws = [{"name": "order", "state": "invalid", "detail": "seq 4 after 5"}]
    sim[0] = dataclasses.replace(sim[0], summary={"verdict": "invalid", "checks": laws})
    text = report.render(TITLE, QUESTION, [*sim, *live], compare(sim, live))
    assert text.count(">order<") == 1
    assert '<span class="word invalid">valid in 9 of 10, 1 broken</span>' in text
    assert "valid in 5 of 5" in text
    assert "simulated: seq 4 after 5" in text
    assert "Simulation and live runs: differ." in Page(text).text


def test_a_run_that_hit_a_limit_or_broke_a_law_says_so_in_its_row() -> None:
    sim, _ = made()
    laws = [{"name": "order", "state": "invalid", "detail": "seq 4 after 5"}]
    bad = dataclasses.replace(sim[0], summary={"verdict": "invalid", "checks": laws, "limits_hit": ["60 s were over"]})
    page = render([bad])
    assert "60 s were over; order: seq 4 after 5" in page.text


def test_receivers_of_one_group_that_lost_nothing_share_a_sentence() -> None:
    base = answer.Line(
        name="client-1", group="client", world="sim", runs=3, owed=10, loss_points=0, loss="0 %", loss_range="",
        causes=(), first_loss="", last_loss="", p50_ns=1e6, p99_ns=3e6, shares=(),
    )  # fmt: skip
    found = [dataclasses.replace(base, name=f"client-{number}", p50_ns=number * 1e6) for number in (1, 2, 3)]
    assert answer.sentences(found) == [
        "The 3 nodes client-1 to client-3 lost nothing (simulated).",
        "What reached them took 1 ms to 3 ms (p50) and 3 ms (p99) simulated.",
    ]
