"""Results on disk: ``<out>/<experiment>/<run id>/``, whole or absent.

======================== ==========================================================================
run.toml                 the run; read back it has the same id
environment.json         versions, machine, profile: whatever is needed to judge the figures
messages.parquet         the ledger, one row an owed delivery; of a simulated run the same bytes always
events.parquet           connections, faults, marks
summary.json             the figures and the verdict
======================== ==========================================================================

A folder is written under a temporary name, ``<out>/.partial-<process>-<run id>``, and renamed.
"""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

from harness import __version__
from harness.check import Checks
from harness.health import noise
from harness.ledger import Ledger
from harness.ledger.columns import codes, numbered
from harness.leftovers import Guard, partial, unfinished
from harness.run import Run, from_plain
from harness.trace import Kind, Trace

RUN, ENVIRONMENT, MESSAGES, EVENTS, SUMMARY = (
    "run.toml",
    "environment.json",
    "messages.parquet",
    "events.parquet",
    "summary.json",
)
FILES = (RUN, ENVIRONMENT, MESSAGES, EVENTS, SUMMARY)

MESSAGE_COLUMNS = (
    "flow",
    "sender",
    "seq",
    "receiver",
    "intended_ns",
    "sent_ns",
    "received_ns",
    "size_bytes",
    "fate",
    "cause",
    "inferred",
    "duplicates",
)
EVENT_COLUMNS = ("time_ns", "event", "node", "peer", "value")

_ROW_GROUP = 131_072


class StoreError(ValueError):
    """A results folder cannot be written, or is not whole; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Result:
    """A run as it was saved.

    Attributes:
        folder: where.
        run: what was executed.
        summary: ``summary.json``, see :func:`summarize`.
    """

    folder: Path
    run: Run
    summary: Mapping[str, Any]

    def messages(self) -> pa.Table:
        """The ledger, see :class:`harness.ledger.Ledger`; read anew on each call. Raises StoreError."""
        return _read_table(self.folder / MESSAGES)

    def events(self) -> pa.Table:
        """Connections, faults, marks: ``time_ns``, ``event``, ``node``, ``peer``, ``value``. Raises StoreError."""
        return _read_table(self.folder / EVENTS)

    def environment(self) -> dict[str, Any]:
        """Versions, machine, profile. Raises StoreError."""
        return _read_json(self.folder / ENVIRONMENT)


def summarize(
    run: Run,
    trace: Trace,
    ledger: Ledger,
    checks: Checks,
    metrics: Mapping[str, Any],
    repeated: Sequence[Sequence[str]] = (),
) -> dict[str, Any]:
    """The figures of a run as plain data.

    Args:
        run: what was executed.
        trace: what came up.
        ledger: what became of it.
        checks: how it stands with the laws.
        metrics: from :func:`harness.metrics.measure_all`.
        repeated: for each attempt at this run that was given up before, why.

    Returns:
        ``experiment``, ``variant``, ``replication``, ``run_id``, ``world``, ``seed``, ``profile``,
        ``duration_ns``, ``warmup_ns``, ``end_ns``; ``verdict``, ``checks`` (list of ``name``, ``state``,
        ``detail``), ``vacuous``, ``limits_hit``, ``errors``, ``noise`` (why the machine was
        too noisy, if it was) and ``repeated``; ``ledger`` (the whole run: ``expected``,
        ``delivered``, ``lost.<cause>``, ``in_flight``, ``unexplained``, and ``duplicated``, ``blocked``,
        ``unstamped``, ``not_owed``); ``nodes.<name>`` (the whole run: ``sent`` messages, owed deliveries
        ``received`` and ``lost`` there, ``duplicated``, and ``rejected`` sends);
        after the warm-up: ``latency_ns``, ``receivers.<name>`` and ``flows.<name>`` with the figures of
        loss (see :mod:`harness.metrics.loss`), ``latency_ns``, ``received_per_s``, and for a receiver
        ``backlog`` (``max``, ``mean``), for a flow ``offered_per_s``; ``clients.<name>`` (see
        :mod:`harness.metrics.answers`).
    """
    figures = {
        "experiment": run.experiment,
        "variant": run.variant,
        "replication": run.replication,
        "run_id": run.id,
        "world": run.world,
        "seed": run.seed,
        "profile": run.profile,
        "duration_ns": run.duration_ns,
        "warmup_ns": run.warmup_ns,
        "end_ns": trace.end_ns,
        "verdict": checks.verdict,
        "checks": [{"name": law.name, "state": law.state, "detail": law.detail} for law in checks.laws],
        "vacuous": checks.vacuous,
        "limits_hit": trace.limits_hit,
        "errors": dict(trace.errors),
        "noise": noise(trace),
        "repeated": repeated,
        "ledger": _ledger(ledger),
        "nodes": _nodes(run, trace, ledger),
        "latency_ns": _latency(metrics["latency"]["all"]),
        "receivers": {
            name: {
                **_both(metrics, "receivers", name),
                "backlog": {key: metrics["backlog"]["receivers"][name][key] for key in ("max", "mean")},
            }
            for name in metrics["loss"]["receivers"]
        },
        "flows": {
            name: {
                **_both(metrics, "flows", name),
                "offered_per_s": metrics["throughput"]["flows"][name]["offered_per_s"],
            }
            for name in metrics["loss"]["flows"]
        },
        "clients": metrics["answers"]["clients"],
    }
    plain: dict[str, Any] = _plain(figures)
    return plain


def _ledger(ledger: Ledger) -> dict[str, Any]:
    counts = ("expected", "delivered", "in_flight", "unexplained", "duplicated", "blocked", "unstamped", "not_owed")
    return {"lost": dict(ledger.lost), **{name: getattr(ledger, name) for name in counts}}


def _nodes(run: Run, trace: Trace, ledger: Ledger) -> dict[str, dict[str, int]]:
    names = tuple(node.name for node in run.topology.nodes)
    kind, node = trace.records["kind"], trace.records["node"]
    by_kind = {
        word: np.bincount(node[kind == which], minlength=len(names)).tolist()
        for word, which in (("sent", Kind.SENT), ("rejected", Kind.REJECTED))
    }
    receiver = numbered(ledger.messages, "receiver", names)
    fate, fates = codes(ledger.messages, "fate")
    duplicates = ledger.messages.column("duplicates").to_numpy()

    def at_receiver(chosen: Any) -> list[int]:
        counts: list[int] = np.bincount(receiver[chosen & (receiver >= 0)], minlength=len(names)).tolist()
        return counts

    received = at_receiver(fate == fates.index("delivered") if "delivered" in fates else fate < -1)
    lost = at_receiver(fate == fates.index("lost") if "lost" in fates else fate < -1)
    known = receiver >= 0
    further = np.bincount(receiver[known], weights=duplicates[known], minlength=len(names)).astype(np.int64).tolist()
    return {
        name: {
            "sent": by_kind["sent"][number],
            "rejected": by_kind["rejected"][number],
            "received": received[number],
            "lost": lost[number],
            "duplicated": further[number],
        }
        for number, name in enumerate(names)
    }


def _both(metrics: Mapping[str, Any], which: str, name: str) -> dict[str, Any]:
    return {
        **metrics["loss"][which][name],
        "latency_ns": _latency(metrics["latency"][which][name]),
        "received_per_s": metrics["throughput"][which][name]["received_per_s"],
    }


def _latency(figures: Mapping[str, Any]) -> dict[str, Any]:
    # The curve belongs in a plot, which draws it from the messages.
    return {name: value for name, value in figures.items() if name != "ecdf_ns"}


def _plain(value: Any) -> Any:
    """Dicts, lists, strings and Python's own numbers only."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)


def save(
    out: Path, run: Run, trace: Trace, ledger: Ledger, summary: Mapping[str, Any], guard: Guard | None = None
) -> Path:
    """Write everything to ``out/<experiment>/<run id>/``; an older folder of that name is replaced.

    Args:
        out: folder of all results; made when missing.
        run: what was executed.
        trace: what came up.
        ledger: what became of it.
        summary: from :func:`summarize`.
        guard: told of the temporary folder, so that it goes when this process is killed.

    Returns:
        The folder.

    Raises:
        StoreError: it cannot be written; nothing is left behind then.
    """
    if run.experiment in ("", ".", "..") or Path(run.experiment).name != run.experiment:
        raise StoreError(f"{run.experiment!r} cannot be the name of a folder; an experiment is called like its file")
    target = out / run.experiment / run.id
    try:
        with unfinished(partial(out, run.id), guard) as folder:
            _write(folder, run, trace, ledger, summary)
            target.parent.mkdir(parents=True, exist_ok=True)
            _put_in_place(folder, target, guard)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror or error}") from error
    return target


def _write(folder: Path, run: Run, trace: Trace, ledger: Ledger, summary: Mapping[str, Any]) -> None:
    try:
        text = tomli_w.dumps(run.plain())
    except (TypeError, ValueError) as error:
        raise StoreError(f"run {run.id} cannot be written as TOML: {error}") from error
    if from_plain(tomllib.loads(text)).id != run.id:
        raise StoreError(f"run {run.id} is another one when it is read back: it holds what TOML cannot say")
    (folder / RUN).write_text(text, encoding="utf-8")
    _write_json(folder / ENVIRONMENT, {"harness": __version__, **trace.environment})
    _write_table(folder / MESSAGES, ledger.messages)
    _write_table(folder / EVENTS, ledger.events)
    _write_json(folder / SUMMARY, summary)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(_plain(content), sort_keys=True, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _write_table(path: Path, table: pa.Table) -> None:
    """Parquet with everything pinned that could vary; no clock, no name of a machine goes in."""
    words = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    numbers = [field.name for field in table.schema if pa.types.is_integer(field.type)]
    pq.write_table(
        table,
        path,
        row_group_size=_ROW_GROUP,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=3,
        use_dictionary=words,
        # Numbers and times ascend, nearly: their differences take a fraction of the room.
        column_encoding=dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
    )


def _put_in_place(folder: Path, target: Path, guard: Guard | None) -> None:
    """Rename ``folder`` to ``target``; what stood there goes."""
    # A folder that is not empty cannot be renamed over: it steps aside first, under a temporary name.
    with unfinished(folder.with_name(folder.name + "-old"), guard) as aside:
        with contextlib.suppress(FileNotFoundError):
            target.rename(aside)
        folder.rename(target)


def load(folder: Path) -> Result:
    """What :func:`save` wrote. Raises StoreError when the folder is not a whole result."""
    folder = Path(folder)
    if not folder.is_dir():
        raise StoreError(f"{folder} is no folder of results")
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise StoreError(f"{folder} is not whole: {', '.join(missing)} missing")
    try:
        run = from_plain(tomllib.loads((folder / RUN).read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError) as error:
        raise StoreError(f"{folder / RUN} does not describe a run: {error}") from error
    summary = _read_json(folder / SUMMARY)
    if summary.get("run_id") != run.id:
        raise StoreError(f"{folder} mixes two runs: {RUN} is of {run.id}, {SUMMARY} of {summary.get('run_id')}")
    ledger = summary.get("ledger")
    rows = ledger.get("expected") if isinstance(ledger, dict) else None
    _validate_table(folder / MESSAGES, MESSAGE_COLUMNS, rows)
    _validate_table(folder / EVENTS, EVENT_COLUMNS, None)
    return Result(folder, run, summary)


def _validate_table(path: Path, columns: tuple[str, ...], rows: int | None) -> None:
    """Look at the end of the file only, which Parquet writes last."""
    try:
        file = pq.ParquetFile(path)
        found, count = file.schema_arrow.names, file.metadata.num_rows
        file.close()
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    if missing := [name for name in columns if name not in found]:
        raise StoreError(f"{path} has no column {', '.join(missing)}")
    if rows is not None and rows != count:
        raise StoreError(f"{path} has {count} rows; {SUMMARY} says {rows}")


def _read_table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path).unify_dictionaries().combine_chunks()
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise StoreError(f"{path} holds no table")
    return content
