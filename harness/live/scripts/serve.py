"""The process that makes the hosts and pulls at the cables: ``python -m harness.live.scripts.serve``.

Orders come as in :mod:`harness.live.servant`. It dies with the command, and all programs with it; only when that is
seen to is the rest imported.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from harness.live.cell import die_with_parent
from harness.live.namespaces import system
from harness.live.servant import Orders


class Server:
    """All hosts, and the verbs on their links.

    Args:
        order: ``hosts`` (their addresses), ``links`` (name to ``ends``, two positions of hosts,
            ``emulated``, ``rate_bytes_per_s``, ``queue_bytes``).

    Attributes:
        doors: descriptors of the namespaces: the middle, and each host.
    """

    def __init__(self, order: Mapping[str, Any]) -> None:
        from harness.live.scripts.cables import Cable, Host, Middle

        middle = Middle()
        hosts = [Host(address, middle.door) for address in order["hosts"]]
        ports = [middle.connect(number, host) for number, host in enumerate(hosts)]
        joined = [set(link["ends"]) for link in order["links"].values()]
        for number, host in enumerate(hosts):
            others = [
                other.address
                for position, other in enumerate(hosts)
                if other is not host and {number, position} not in joined
            ]
            host.furnish(others)
        for port in ports:
            port.await_carrier()
        self._cables: dict[str, Cable] = {}
        self._rates: dict[str, tuple[int, int]] = {}
        for number, (name, link) in enumerate(order["links"].items()):
            first, second = (hosts[end] for end in link["ends"])
            emulated = link["emulated"]
            self._cables[name] = Cable(number, (first, second), middle if emulated else None)
            self._rates[name] = (0, 0) if emulated else (link["rate_bytes_per_s"], link["queue_bytes"])
            self.silence(name, [False, False])
        self.doors = [middle.door, *(host.door for host in hosts)]

    def silence(self, link: str, silent: Sequence[bool]) -> dict[str, Any]:
        """Let nothing arrive of what the first and the second host send; or let it."""
        self._cables[link].shape(*self._rates[link], silent)
        return {}

    def set_down(self, link: str, down: bool) -> dict[str, Any]:
        """Pull the cable, or plug it in."""
        cable = self._cables[link]
        if down:
            cable.down()
        else:
            cable.up()
        return {}

    def reset(self, link: str) -> dict[str, Any]:
        """Break all connections over the cable."""
        return {"ends": self._cables[link].reset()}


def processes_of_programs(channel: int) -> int:
    """Make a namespace of processes, whose first does nothing but live as long as this process does; its descriptor.

    Another process makes it: one whose children live elsewhere could have no thread. Raises OSError.
    """
    alive, hold = os.pipe()  # the writing end stays open until this process is gone
    made, tell = os.pipe()
    maker = os.fork()
    if not maker:
        for descriptor in (channel, hold, made):
            os.close(descriptor)
        _make_processes(alive, tell)
    os.close(alive)
    os.close(tell)
    try:
        if not os.read(made, 1):
            raise OSError("no namespace of processes could be made")
        return os.open(f"/proc/{maker}/ns/pid_for_children", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(made)


def _make_processes(alive: int, tell: int) -> NoReturn:
    try:
        die_with_parent()
        system.new_processes()
        first = os.fork()
        if first:
            os.write(tell, b"!")
            os.waitpid(first, 0)
        else:
            die_with_parent()
            os.close(tell)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever loses his parent leaves no zombie
            while os.read(alive, 1):
                pass
    finally:
        os._exit(0)


def main(text: str) -> None:
    """Make the hosts and serve; ``text`` is the JSON of the order, with ``channel``, ``supervisor``, ``life``."""
    order = json.loads(text)
    owner = system.become_owner()  # before there is a thread
    processes = processes_of_programs(order["channel"])
    orders = Orders(order)
    server = Server(order)
    orders.lend([*([] if owner is None else [owner]), processes, *server.doors])
    orders.tell({"event": "ready", "owned": owner is not None})
    while True:
        orders.obey(lambda verb, link, **arguments: getattr(server, verb)(link, **arguments))


if __name__ == "__main__":
    main(sys.argv[1])
