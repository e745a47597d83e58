"""All cases, clauses and rows without a body: importing this module reads every file of them."""

from __future__ import annotations

import importlib
from pathlib import Path

from .cases import CASES, UNPLAYED, Case, Unplayed

HERE = Path(__file__).parent
AREAS = [
    importlib.import_module(f"{__package__}.{path.stem}")
    for path in sorted([*HERE.glob("cases_*.py"), *HERE.glob("rfc*.py")])
]


def rows() -> list[Case | Unplayed]:
    """Every row, in the order of its number."""
    return sorted([*CASES.values(), *UNPLAYED.values()], key=lambda row: row.name)
