"""Starts one program on its host: ``python -m harness.live.scripts.door ORDER``.

It enters the host's network and the namespace of processes of all programs, and forks. The child makes the rest of the
host, which is the program's alone: its name, ``/etc/hosts``, ``/proc``; says that it is ready, waits for a word, and
becomes the program. The parent ends as the program does.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from harness.live.cell import die_with_parent
from harness.live.doors import enter
from harness.live.namespaces import system

FAILED = 125
"""Exit status when it did not come to the program."""
_STAGE = Path("/proc")
"""A folder that is there everywhere, and that gets a file system of its own anyway."""


def main(text: str) -> NoReturn:
    """Start what the order says: ``doors``, ``supervisor``, ``channel``, ``host``, ``hosts``, ``command``, ``path``."""
    order = json.loads(text)
    channel = socket.socket(fileno=order["channel"])
    die_with_parent(order["supervisor"])
    enter(order["doors"])
    for door in order["doors"]:
        os.close(door)
    pid = os.fork()
    if not pid:
        _become(order, channel)
    channel.sendall(f"pid {pid}\n".encode())
    channel.close()
    _, status = os.waitpid(pid, 0)
    # Of a signal a shell says it in this way, too.
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def _become(order: Mapping[str, Any], channel: socket.socket) -> NoReturn:
    try:
        die_with_parent()
        os.setsid()  # Ctrl-C is for the command alone, which decides what becomes of the programs
        system.new_host(order["host"])
        _show("/etc/hosts", order["hosts"])
        services = Path("/etc/nsswitch.conf")
        if services.exists():
            _show(str(services), _files_first(services.read_text()))
        system.mount("proc", str(_STAGE))
        channel.sendall(b"ready\n")
        if not channel.recv(1):
            os._exit(FAILED)
        channel.set_inheritable(False)
        environment = {**os.environ, "PYTHONUNBUFFERED": os.environ.get("PYTHONUNBUFFERED", "1")}
        del environment["PYTHONPATH"]
        if order["path"] is not None:
            environment["PYTHONPATH"] = order["path"]
        os.execve(order["command"][0], order["command"], environment)  # noqa: S606 - a program as its user wrote it
    except OSError as error:
        channel.sendall(f"failed {error}\n".encode())
    finally:
        os._exit(FAILED)


def _show(path: str, text: str) -> None:
    """Have this process, and those that it starts, find that text in that file."""
    system.mount("tmpfs", str(_STAGE))
    (_STAGE / "shown").write_text(text)
    system.show_instead(str(_STAGE / "shown"), path)
    system.unmount(str(_STAGE))


def _files_first(text: str) -> str:
    """Who looks for a host finds it in the file, before anybody is asked who knows nothing of this network."""
    return re.sub(r"^hosts:.*$", "hosts: files dns", text, flags=re.MULTILINE)


if __name__ == "__main__":
    main(sys.argv[1])
