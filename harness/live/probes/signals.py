"""Faults of processes: pause (SIGSTOP), crash (SIGKILL) and a new start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

HELP = "a sandbox forbids signals between processes of one user; run outside it, or use --world sim"


def probe() -> str | None:
    """A child is stopped, goes on, and is killed."""
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(10)"])
    try:
        child.send_signal(signal.SIGSTOP)
        if not os.WIFSTOPPED(os.waitpid(child.pid, os.WUNTRACED)[1]):
            return "SIGSTOP does not stop a process"
        child.send_signal(signal.SIGCONT)
    finally:
        child.kill()
        status = child.wait()
    return None if status == -signal.SIGKILL else "SIGKILL does not end a process"
