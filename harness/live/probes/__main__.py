"""The process of a probe: ``python -m harness.live.probes NAME PARENT`` prints one JSON object."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from types import ModuleType

from harness import kinds
from harness.live.cell import die_with_parent
from harness.live.probes import LIMIT_S
from harness.live.probes import __name__ as package


def main(name: str, parent: int | None = None) -> None:
    """Try the capability of that name and tell what came of it, unless the process that asked is gone."""
    die_with_parent(parent)
    signal.alarm(math.ceil(LIMIT_S))  # whoever asked may be gone
    module = kinds.load(package, name)
    reason = _reason(module)
    if reason is None:
        answer = {"detail": module.detail()} if hasattr(module, "detail") else {}
    else:
        answer = {"reason": reason, "help": module.HELP}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # what a probe has started must not be waited for


def _reason(module: ModuleType) -> str | None:
    try:
        reason: str | None = module.probe()
    except OSError as error:
        return error.strerror or str(error)
    except Exception as error:  # noqa: BLE001 (libraries have errors of their own; each of them is a reason)
        text = " ".join(str(error).split())
        return f"{type(error).__name__}: {text}"
    return reason


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
