"""``python -m harness.live SCRIPT [ARGUMENTS]``: run programs of plain pyzmq on a real network."""

from __future__ import annotations

import sys

from harness.live.scripts.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
