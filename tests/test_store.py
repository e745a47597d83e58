"""Results on disk: whole or absent, the same bytes for the same run, and back again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from harness import leftovers, store
from harness.check import check
from harness.ledger import settle
from harness.metrics import measure_all
from harness.run import FaultSpec, Run
from harness.store import FILES, StoreError
from harness.topology import Topology
from tests.synthetic import MS, Journal, Pipe, make_run, publish, pubsub

ROOT = Path(__file__).resolve().parent.parent


def make(out: Path, run: Run | None = None, guard: Any = None, **changes: Any) -> Path:
    run = run or make_run(pubsub(sndhwm=20))
    pipes = [Pipe("fast", 20, 10, MS // 2), Pipe("slow", 20, 10, 3 * MS, joins_ns=50 * MS)]
    trace = publish(run, pipes, 300)
    journal = Journal(run)
    journal.event("handshake_succeeded", "slow", -5 * MS)
    trace = replace(trace, records=np.concatenate((journal.recorder.records(), trace.records)), **changes)
    ledger = settle(run, trace)
    summary = store.summarize(run, trace, ledger, check(run, trace, ledger), measure_all(ledger.messages, run))
    return store.save(out, run, trace, ledger, summary, guard)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    run = make_run(pubsub(sndhwm=20))
    folder = make(tmp_path, run, environment={"machine": "a small one"})
    assert folder == tmp_path / "synthetic" / run.id
    result = store.load(folder)
    assert result.run == run
    assert result.run.id == run.id
    trace = publish(run, [Pipe("fast", 20, 10, MS // 2), Pipe("slow", 20, 10, 3 * MS, joins_ns=50 * MS)], 300)
    assert result.messages().to_pylist() == settle(run, trace).messages.to_pylist()
    assert result.messages().schema == settle(run, trace).messages.schema
    assert result.events().to_pylist()[0]["event"] == "handshake_succeeded"
    assert result.environment()["machine"] == "a small one"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["synthetic"]


def test_the_summary_says_what_was_agreed(tmp_path: Path) -> None:
    folder = make(tmp_path)
    text = (folder / "summary.json").read_text()
    summary = json.loads(text)
    assert text == json.dumps(summary, sort_keys=True, indent=1) + "\n"
    assert summary == store.load(folder).summary
    assert {"experiment", "variant", "replication", "run_id", "world", "seed", "profile", "verdict"} <= set(summary)
    assert (summary["verdict"], summary["vacuous"]) == ("valid", [])
    ledger = summary["ledger"]
    assert ledger["expected"] == 600
    assert ledger["expected"] == (
        ledger["delivered"] + sum(ledger["lost"].values()) + ledger["in_flight"] + ledger["unexplained"]
    )
    assert summary["nodes"]["pub"] == {"sent": 300, "received": 0, "lost": 0, "duplicated": 0, "rejected": 0}
    slow = summary["nodes"]["slow"]
    assert slow["received"] + slow["lost"] == 300
    assert slow["lost"] == sum(ledger["lost"].values())
    assert {"p50", "p90", "p99", "p999", "max", "mean"} <= set(summary["latency_ns"])
    assert summary["receivers"]["slow"]["lost"]["not_subscribed"] == 50
    assert 11 <= summary["receivers"]["slow"]["backlog"]["max"] <= 20
    assert summary["receivers"]["fast"]["latency_ns"]["p50"] >= 0
    assert summary["flows"]["feed"]["offered_per_s"] == 600
    assert {law["name"]: law["state"] for law in summary["checks"]}["conservation"] == "valid"


def test_a_run_round_trips_through_toml(tmp_path: Path) -> None:
    base = pubsub(sndhwm=20)
    options = {
        "arrivals": {"kind": "poisson", "rate_per_s": 2000.0, "until_ns": 2**62, "burst": 1},
        "text": 'quotes " and \\ and\nlines, \u00fcml\u00e4uts \U0001f600, \x7f\x01',
        "empty": {},
        "list": [1, 2.5, True, "x", [], {"a": 1}],
        "a key with. dots": {"'": 1e300},
        "tiny": 5e-324,
        "none": None,
        "socket": {"sndhwm": 20},
    }
    nodes = (replace(base.nodes[0], options=options), *(replace(node, start_ns=5) for node in base.nodes[1:]))
    run = make_run(
        Topology(nodes=nodes, endpoints=base.endpoints, flows=base.flows),
        faults=(FaultSpec(label="f", kind="slow", options={"factor": 2.0, "at_ns": 5}),),
        claims=("queueing",),
        seed=2**40,
    )
    result = store.load(make(tmp_path, run))
    assert result.run.id == run.id
    assert result.run.plain() == run.plain()


def test_what_toml_cannot_say_is_refused(tmp_path: Path) -> None:
    base = pubsub(sndhwm=20)
    nodes = (replace(base.nodes[0], options={"list": [None]}), *base.nodes[1:])
    run = make_run(Topology(nodes=nodes, endpoints=base.endpoints, flows=base.flows))
    with pytest.raises(StoreError, match="cannot be written as TOML"):
        make(tmp_path, run)
    assert list(tmp_path.iterdir()) == []


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    assert [digest(one / name) for name in FILES] == [digest(two / name) for name in FILES]
    other = make(tmp_path / "three", make_run(pubsub(sndhwm=20, receivers=("slow", "fast"))))
    assert digest(one / "messages.parquet") != digest(other / "messages.parquet")


def test_hash_randomisation_changes_no_byte(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, hashlib; sys.path.insert(0, sys.argv[1]);"
        "from tests.test_store import make, digest;"
        "folder = make(pathlib.Path(sys.argv[2]));"
        "print(*(digest(path) for path in sorted(folder.iterdir())))"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", program, str(ROOT), str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(printed[0].split()) == len(FILES)
    assert printed[0] == printed[1]


def test_no_clock_and_no_pandas_is_in_the_file(tmp_path: Path) -> None:
    metadata = pq.read_metadata(make(tmp_path) / "messages.parquet").metadata or {}
    assert set(metadata) <= {b"ARROW:schema"}


def test_an_older_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "report.html").write_text("old")
    before = digest(folder / "messages.parquet")
    assert make(tmp_path) == folder
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert digest(folder / "messages.parquet") == before
    assert [path.name for path in tmp_path.iterdir()] == ["synthetic"]


def test_no_folder_of_results_is_ever_deleted_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted: list[Path] = []
    really = shutil.rmtree

    def watched(path: Path, **how: Any) -> None:
        deleted.append(Path(path))
        really(path, **how)

    monkeypatch.setattr(leftovers.shutil, "rmtree", watched)
    make(tmp_path)
    make(tmp_path)
    assert deleted
    assert all(path.parent == tmp_path and path.name.startswith(".partial-") for path in deleted)


def test_a_failure_half_way_leaves_nothing_and_spares_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path)
    before = {path.name: digest(path) for path in folder.iterdir()}

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.pq, "write_table", full)
    with pytest.raises(StoreError, match="No space left on device"):
        make(tmp_path)
    assert {path.name: digest(path) for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["synthetic"]


def test_a_file_in_the_way_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match="cannot be written"):
        make(tmp_path / "out")


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc"])
def test_an_experiment_cannot_reach_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="cannot be the name of a folder"):
        make(tmp_path, make_run(pubsub(sndhwm=20), experiment=name))


class Witness:
    """A guard that remembers what it was told, and whether the folder was watched before it was there."""

    def __init__(self) -> None:
        self.watched: list[Path] = []
        self.told: list[tuple[str, str]] = []

    def watch_path(self, path: Path) -> None:
        assert not path.exists()
        self.watched.append(path)
        self.told.append(("watch", path.name))

    def forget_path(self, path: Path) -> None:
        assert not path.exists()
        self.watched.remove(path)
        self.told.append(("forget", path.name))


def test_the_guard_knows_of_every_temporary_folder(tmp_path: Path) -> None:
    guard = Witness()
    run_id = make(tmp_path, guard=guard).name
    assert guard.watched == []
    assert guard.told[0] == ("watch", f".partial-{os.getpid()}-{run_id}")
    assert all(name.startswith(".partial-") for _, name in guard.told)


def spoil(folder: Path, name: str, content: bytes | None) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        *((name, None, f"not whole: {name} missing") for name in FILES),
        ("run.toml", b"\x00\xff", "does not describe a run"),
        ("run.toml", b"a = ", "does not describe a run"),
        ("run.toml", b"a = 1", "does not describe a run"),
        ("run.toml", b'experiment = "x"', "does not describe a run"),
        ("run.toml", b"topology = 3", "does not describe a run"),
        ("summary.json", b"{", "cannot be read"),
        ("summary.json", b"[]", "holds no table"),
        ("summary.json", b"{}", "mixes two runs"),
        ("messages.parquet", b"", "cannot be read"),
        ("messages.parquet", b"PAR1nonsensePAR1", "cannot be read"),
        ("events.parquet", b"x" * 100, "cannot be read"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_in_words(
    tmp_path: Path, name: str, content: bytes | None, what: str
) -> None:
    folder = make(tmp_path)
    spoil(folder, name, content)
    with pytest.raises(StoreError, match=what) as caught:
        store.load(folder)
    assert str(folder) in str(caught.value)


def test_files_of_another_run_are_noticed(tmp_path: Path) -> None:
    one = make(tmp_path)
    other = make(tmp_path, make_run(pubsub(sndhwm=20), seed=2))
    (one / "summary.json").write_bytes((other / "summary.json").read_bytes())
    with pytest.raises(StoreError, match="mixes two runs"):
        store.load(one)
    (other / "messages.parquet").write_bytes((other / "events.parquet").read_bytes())
    with pytest.raises(StoreError, match="has no column flow"):
        store.load(other)


def test_rows_that_are_missing_are_noticed(tmp_path: Path) -> None:
    folder = make(tmp_path)
    table = pq.read_table(folder / "messages.parquet")
    pq.write_table(table.slice(0, 10), folder / "messages.parquet")
    with pytest.raises(StoreError, match=r"has 10 rows; summary\.json says 600"):
        store.load(folder)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no folder of results"):
        store.load(tmp_path / "nowhere")
