"""One row for each message and receiver, written as Parquet at the end."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import TYPE_CHECKING

from harness.twin.runner.book import Rows

if TYPE_CHECKING:
    from harness.twin.runner.book import Entry, Line


class TraceRows(Rows):
    """Keeps the rows in columns: numbers of sockets, times in virtual ns, sizes in bytes.

    ======================= ========================================================================
    column                  meaning
    ======================= ========================================================================
    program, socket         the sender
    seq                     its number of the message, from 0
    receiver_program        the receiver's; null when nobody received it, or nobody was to
    receiver_socket         as above
    sent_ns, received_ns    virtual time; received_ns is null for what was not delivered
    size_bytes              all frames
    fate                    ``delivered``, ``lost``, ``in_flight``, ``unwanted`` (nobody subscribes to it)
    cause                   of a loss; else empty
    ======================= ========================================================================
    """

    def __init__(self) -> None:
        self._columns = {name: array("q") for name in ("sender", "seq", "receiver", "sent", "received", "size")}
        self._fates: list[str] = []
        self._causes: list[str] = []

    def add(self, entry: Entry, receiver: int, received_ns: int, fate: str, cause: str) -> None:
        """One row."""
        values = (entry.sender, entry.seq, receiver, entry.sent_ns, received_ns, entry.size)
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)
        self._fates.append(fate)
        self._causes.append(cause)

    def write(self, path: Path, lines: list[Line], programs: list[str]) -> None:
        """Write the file: whole, or not at all. Raises OSError."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        owners = [programs[line.owner] if 0 <= line.owner < len(programs) else "" for line in lines]
        names = [line.name for line in lines]
        columns = self._columns

        def text(values: list[str | None]) -> pa.Array:
            return pa.array(values, pa.string()).dictionary_encode()

        def of(values: list[str], numbers: array[int]) -> pa.Array:
            return text([values[number] if number >= 0 else None for number in numbers])

        table = pa.table(
            {
                "program": of(owners, columns["sender"]),
                "socket": of(names, columns["sender"]),
                "seq": pa.array(columns["seq"], pa.int64()),
                "receiver_program": of(owners, columns["receiver"]),
                "receiver_socket": of(names, columns["receiver"]),
                "sent_ns": pa.array(columns["sent"], pa.int64()),
                "received_ns": pa.array([time if time >= 0 else None for time in columns["received"]], pa.int64()),
                "size_bytes": pa.array(columns["size"], pa.int64()),
                "fate": text(list(self._fates)),
                "cause": text(list(self._causes)),
            }
        )
        partial = path.with_name(f".partial-{path.name}")
        pq.write_table(table, partial)
        partial.replace(path)
