"""The command's end of the network between programs: what a topology file wants, made, pulled at, and gone."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from harness.guard import Guard
from harness.live.emulator.servant import Emulator
from harness.live.namespaces.layout import CONGESTION_CONTROL, needs_emulator
from harness.live.servant import Servant
from harness.problems import Problems
from harness.scripts.spec import MAIN_HOST, FaultSpec, Net, Program

_START_S, _A_HOST_S = 30.0, 0.5
"""Many times as long as it was seen to take, the second for each host and each link."""
_IMPOSSIBLE: Final = {
    "half_close": "whoever has only packets in his hands cannot close half a connection",
}
_BY_EMULATOR: Final = ("refuse", "stall")
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")


def homes(net: Net, programs: Sequence[Program]) -> dict[str, str]:
    """The hosts that there are, and their addresses: those of the simulation. Two may have the same, see check."""
    # There the host of those whom nobody has put elsewhere comes first, whether or not somebody lives on it.
    names = [(MAIN_HOST, None), *((host.name, host.address) for host in net.hosts if host.name != MAIN_HOST)]
    found = {
        name: given or f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        for number, (name, given) in enumerate(names, 1)
    }
    given = next((host.address for host in net.hosts if host.name == MAIN_HOST), None)
    found[MAIN_HOST] = given or found[MAIN_HOST]
    lived_in = [host.name for host in net.hosts] + [program.host for program in programs]
    return {name: address for name, address in found.items() if name in lived_in}


def check(net: Net, programs: Sequence[Program], problems: Problems) -> None:
    """What a real network cannot have of all that a topology file may say."""
    addresses = homes(net, programs)
    for name, address in addresses.items():
        twins = [other for other, its in addresses.items() if its == address and other != name]
        if twins:
            problems.add(("host", name, "address"), address, f"{twins[0]} has the same")
        if not _NAME.fullmatch(name):
            problems.add(("host", name), {}, "the name of a real host has letters, digits, - and . only, 63 at most")
    for fault in net.faults:
        if fault.kind in _IMPOSSIBLE:
            problems.add(
                ("fault", fault.name, "kind"),
                fault.kind,
                f"not on link {fault.link}, a real one: {_IMPOSSIBLE[fault.kind]}",
            )


def emulated(net: Net) -> list[str]:
    """Names of the links that the packet emulator has to do."""
    struck = [fault.link for fault in net.faults if fault.kind in _BY_EMULATOR]
    return [link.name for link in net.links if needs_emulator(link.shape) or link.name in struck]


def capabilities(net: Net) -> Iterator[str]:
    """What the machine must be able to do (:mod:`harness.live.probes`)."""
    yield "netns"
    by_emulator = emulated(net)
    if by_emulator:
        yield "emulator"
    if any(link.shape.rate_bytes_per_s and link.name not in by_emulator for link in net.links):
        yield "tbf"
    if any(fault.kind == "reset" for fault in net.faults):
        yield "socket_destroy"


class Network:
    """Hosts, links and what happens to those.

    Args:
        net, programs: as of :func:`check`, which has found nothing.
        seed: loss and jitter are drawn from it.
        guard, life: as of :class:`~harness.live.servant.Servant`.
        complain: is told, at the end, what the network did not do.
    """

    def __init__(
        self, net: Net, programs: Sequence[Program], seed: int, guard: Guard, life: int, complain: Callable[[str], None]
    ) -> None:
        self._addresses = homes(net, programs)
        self._links = {link.name: link for link in net.links}
        self._emulated = emulated(net)
        self._owned = False
        self._maker = Servant("the network of hosts", "harness.live.scripts.serve", guard, life)
        self._emulator = Emulator(seed, guard, life, complain)
        self._silent = {link.name: [False, False] for link in net.links}

    def start(self) -> None:
        """Make the hosts and cables; start the emulator if a link needs it. Raises OSError."""
        hosts = list(self._addresses)
        links = {
            name: {
                "ends": [hosts.index(end) for end in link.between],
                "emulated": name in self._emulated,
                "rate_bytes_per_s": link.shape.rate_bytes_per_s,
                "queue_bytes": link.shape.queue_bytes,
            }
            for name, link in self._links.items()
        }
        answer = self._maker.start(
            {"hosts": list(self._addresses.values()), "links": links},
            limit_s=_START_S + _A_HOST_S * (len(hosts) + len(links)),
        )
        self._owned = answer["owned"]
        if self._emulated:
            shapes = {
                name: (number, link.shape)
                for number, (name, link) in enumerate(self._links.items())
                if name in self._emulated
            }
            owner, (_, middle, *_) = self._owner, self._maker.descriptors[self._owned :]
            self._emulator.start(shapes, [*owner, middle])

    @property
    def _owner(self) -> Sequence[int]:
        return self._maker.descriptors[: self._owned]

    def doors(self, host: str) -> list[int]:
        """What a program there enters: the namespace of users, if there is one, of processes, the host's network."""
        processes, _, *hosts = self._maker.descriptors[self._owned :]
        return [*self._owner, processes, hosts[list(self._addresses).index(host)]]

    def names(self) -> str:
        """What programs find in ``/etc/hosts``."""
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in self._addresses.items())]
        return "\n".join(lines) + "\n"

    def strike(self, fault: FaultSpec) -> None:
        """Let it happen. Raises ServantError."""
        if fault.kind == "blackhole":
            self._silence(fault, True)
        elif fault.kind in _BY_EMULATOR:
            self._emulator.say(fault.kind, fault.link, on=True, direction=self._direction(fault))
        elif fault.kind == "down":
            self._maker.say("set_down", fault.link, down=True)
        else:
            self._maker.say("reset", fault.link)

    def heal(self, fault: FaultSpec) -> None:
        """As the link was made, in the directions of the fault; as in the simulation, whatever else was on is over."""
        self._silence(fault, False)
        if fault.link in self._emulated:
            for verb in _BY_EMULATOR:
                self._emulator.say(verb, fault.link, on=False, direction=self._direction(fault))
        self._maker.say("set_down", fault.link, down=False)

    def _direction(self, fault: FaultSpec) -> str:
        """The emulator's word: ``up`` leads from the first host of the link to the second."""
        if fault.towards is None:
            return "both"
        return "up" if fault.towards == self._links[fault.link].between[1] else "down"

    def _silence(self, fault: FaultSpec, on: bool) -> None:
        direction = self._direction(fault)
        if fault.link in self._emulated:
            self._emulator.say("blackhole", fault.link, direction=direction, on=on)
            return
        silent = self._silent[fault.link]
        for side, way in enumerate(("up", "down")):
            if direction in (way, "both"):
                silent[side] = on
        self._maker.say("silence", fault.link, silent=silent)

    def listen(self) -> None:
        """Find out whether the processes are there. Raises ServantError."""
        self._maker.listen()
        self._emulator.listen()

    def end(self) -> None:
        """End the processes, and with them all programs and the network."""
        self._emulator.end()
        self._maker.end()

    def describe(self) -> dict[str, Any]:
        """Whose rights it has, the addresses of the hosts, how tcp controls congestion in it."""
        return {
            "namespaces_of": "an ordinary user" if self._owned else "root",
            "hosts": self._addresses,
            "emulated": self._emulated,
            "tcp": {"congestion_control": CONGESTION_CONTROL},
            "python": sys.version.split()[0],
        }
