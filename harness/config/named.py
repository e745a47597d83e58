"""What tables are called, and the kind that one names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from harness import kinds
from harness.config.fields import Reader
from harness.problems import MISSING, did_you_mean

LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LABEL_RULE: Final = "a label has letters, digits, . - and _, at most 64, such as bigger"


def labelled(
    what: str, package: str, section: Any, example: str, reader: Reader
) -> Iterator[tuple[tuple[str, str], dict[str, Any], Any]]:
    """Path, table and module of each ``[what.LABEL]`` that names a kind; what is wrong with the others is noted."""
    for label, value in reader.table(section, (what,), example).items():
        path = (what, label)
        if not LABEL.fullmatch(label):
            reader.wrong(path, value, LABEL_RULE)
        table = reader.table(value, path, example)
        module = module_of(what, package, table, path, reader) if isinstance(value, dict) else None
        if module is not None:
            yield path, table, module


def module_of(what: str, package: str, table: Mapping[str, Any], path: Sequence[str], reader: Reader) -> Any:
    """The module of the kind that a table names, None when it names none."""
    known = kinds.names(package)
    if "kind" not in table:
        reader.wrong((*path, "kind"), MISSING, f'is missing; write kind = "{known[0]}". Known here: {", ".join(known)}')
        return None
    kind = table["kind"]
    if isinstance(kind, str) and kind in known:
        return kinds.load(package, kind)
    word = kind if isinstance(kind, str) else ""
    reader.wrong((*path, "kind"), kind, f"is no kind of {what}; {did_you_mean(word, known)}")
    return None
