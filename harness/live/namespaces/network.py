"""The supervisor's end of a network of namespaces: made, entered, pulled at, and gone."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.guard import Guard
from harness.leftovers import scratch, unfinished
from harness.live.emulator.servant import Emulator
from harness.live.links import Report
from harness.live.namespaces.layout import CONGESTION_CONTROL, Layout, address, emulated
from harness.live.servant import Servant, ServantError
from harness.relay.line import Held
from harness.relay.pairs import InFlight
from harness.relay.ways import Way
from harness.run import Run
from harness.shaper import Shape
from harness.topology import GROUP, MULTICAST, Link
from harness.world import Cut, Direction

_START_S, _A_SITE_S = 30.0, 0.2
"""Many times as long as it was seen to take, the second for each namespace."""


class Namespaces:
    """A namespace for each process of nodes; arguments as of :func:`harness.live.network.network_of`.

    Attributes:
        links: its cables.
    """

    def __init__(
        self,
        run: Run,
        guard: Guard,
        life: int,
        report: Report,
        complain: Callable[[str], None],
    ) -> None:
        self._run = run
        self._guard = guard
        self._layout = Layout(run.topology)
        self._stack = contextlib.ExitStack()
        self._folder: Path | None = None
        self._maker = Servant("the network of namespaces", "harness.live.namespaces.serve", guard, life)
        self._emulator = Emulator(run.seed, guard, life, complain)
        self._owned = False
        self.links = Cables(run, self._layout, self._maker, self._emulator, report)

    def start(self) -> None:
        """Make the namespaces; start the emulator if a link needs it."""
        topology = self._run.topology
        if any(endpoint.transport == "ipc" for endpoint in topology.endpoints):
            self._folder = self._stack.enter_context(
                unfinished(scratch(Path(tempfile.gettempdir()), f"ipc-{secrets.token_hex(4)}"), self._guard)
            )
        by_emulator = emulated(topology, self._run.faults)
        links = {link.node: self._order(link, link.node in by_emulator) for link in topology.links}
        answer = self._maker.start(
            {
                "sites": len(self._layout.sites),
                "neighbours": self._layout.neighbours(),
                "links": links,
            },
            limit_s=_START_S + _A_SITE_S * len(self._layout.sites),
        )
        self._owned = answer["owned"]
        if by_emulator:
            shapes = {
                link.node: (self._layout.site(link.node), link.shape)
                for link in topology.links
                if link.node in by_emulator
            }
            self._emulator.start(shapes, self._maker.descriptors[: 1 + self._owned])

    def _order(self, link: Link, by_emulator: bool) -> dict[str, Any]:
        return {
            "site": self._layout.site(link.node),
            "emulated": by_emulator,
            "rate_bytes_per_s": link.rate_bytes_per_s,
            "queue_bytes": link.queue_bytes,
        }

    def end(self) -> None:
        """End the processes; the namespaces go with the last that is inside."""
        self._emulator.end()
        self._maker.end()
        self._stack.close()

    def listen(self) -> None:
        """Find out whether the processes are there."""
        self._maker.listen()
        self._emulator.listen()

    def repeats(self) -> bool:
        """Ask the kernel for the timers of all connections, those over silent and pulled cables left out."""
        hindered = [self._layout.site(link) for link in self.links.hindered]
        return bool(self._maker.say("repeats", "", hindered=hindered)["repeats"])

    def addresses(self, node: str) -> dict[str, str]:
        """The same for all nodes, but for multicast: there each names its own interface, and all the same group."""
        return {
            end.name: self._address(end.name, end.transport, end.binder, node) for end in self._run.topology.endpoints
        }

    def _address(self, name: str, transport: str, binder: str, node: str) -> str:
        if transport == "inproc":
            return f"inproc://{name}"
        if transport == "ipc":  # a file: abstract names are not seen from another namespace
            assert self._folder is not None
            return f"ipc://{self._folder / name}"
        port = self._layout.ports[name]
        if transport in MULTICAST:  # by address: OpenPGM takes the name of an interface for that of a host
            return f"{transport}://{address(self._layout.site(node))};{GROUP}:{port}"
        return f"tcp://{address(self._layout.site(binder))}:{port}"

    def doors(self, nodes: tuple[int, ...]) -> Sequence[int]:
        """The namespace of users, if there is one, and that of the nodes."""
        owner, (_, *sites) = self._maker.descriptors[: self._owned], self._maker.descriptors[self._owned :]
        return [*owner, sites[self._layout.site_of[nodes[0]]]]

    def describe(self) -> dict[str, Any]:
        """Its name, whose rights it has, how tcp controls congestion in it."""
        return {
            "network": "namespaces",
            "namespaces_of": "an ordinary user" if self._owned else "root",
            "tcp": {"congestion_control": CONGESTION_CONTROL},
        }


class Cables:
    """The links: what the kernel does by itself is the maker's, the rest the emulator's.

    Attributes:
        hindered: those over which nothing passes, one way at least.
    """

    def __init__(
        self,
        run: Run,
        layout: Layout,
        maker: Servant,
        emulator: Emulator,
        report: Report,
    ) -> None:
        self._shapes = {link.node: link.shape for link in run.topology.links}
        self._emulated = emulated(run.topology, run.faults)
        self._maker = maker
        self._emulator = emulator
        self._report = report
        self.hindered: dict[str, None] = {}
        self._ways = {
            (address(layout.site(end.binder)), layout.ports[end.name], address(layout.site(node))): Way(
                node, end, node if node in self._shapes else None, end.binder if end.binder in self._shapes else None
            )
            for end in run.topology.endpoints
            if end.transport == "tcp"
            for node in end.connecters
        }

    def impair(self, link: str, shape: Shape) -> None:
        """See :class:`harness.world.World`, as for all that follow. Raises ServantError."""
        if link in self._emulated:
            self._emulator.impair(link, shape)
        else:
            self._maker.say("shape", link, rate_bytes_per_s=shape.rate_bytes_per_s, queue_bytes=shape.queue_bytes)

    def heal(self, link: str) -> None:
        """As the experiment made it."""
        self.impair(link, self._shapes[link])

    def blackhole(self, link: str, direction: Direction) -> None:
        """Packets vanish."""
        self.hindered[link] = None
        self._silence(link, up=direction != "down", down=direction != "up")

    def unsilence(self, link: str) -> None:
        """Packets pass."""
        self._silence(link, up=False, down=False)
        self.hindered.pop(link, None)

    def _silence(self, link: str, *, up: bool, down: bool) -> None:
        if link in self._emulated:
            for direction, on in (("up", up), ("down", down)):
                self._emulator.say("blackhole", link, direction=direction, on=on)
        else:
            self._maker.say("silence", link, up=up, down=down)

    def link_down(self, link: str) -> None:
        """The cable is pulled."""
        self.hindered[link] = None
        self._maker.say("set_down", link, down=True)

    def link_up(self, link: str) -> None:
        """It is plugged in."""
        self._maker.say("set_down", link, down=False)
        self.hindered.pop(link, None)

    def reset(self, link: str, cut: Cut) -> None:
        """All connections over it are broken, at both ends. Raises ServantError for a cut inside the stream."""
        if cut != "anywhere":
            raise ServantError(f"a network of namespaces cannot cut a stream {cut} messages")
        answer = self._maker.say("reset", link)
        in_flight: dict[Way, list[int]] = {}
        for end in answer["broken"]:
            for is_back, ends in enumerate(((end["remote"], end["local"]), (end["local"], end["remote"]))):
                way = self._way(*ends)
                if way is not None:
                    in_flight.setdefault(way, [0, 0])[is_back] += end["bytes"]
        for way, sizes_bytes in in_flight.items():
            there, back = (InFlight(size_bytes, -1) for size_bytes in sizes_bytes)
            self._report(way, answer["monotonic_ns"], there, back)

    def _way(self, binder: Sequence[Any], connecter: Sequence[Any]) -> Way | None:
        return self._ways.get((binder[0], binder[1], connecter[0]))

    def refuse(self, link: str) -> None:
        """What asks for a connection over it is refused."""
        self._emulator.say("refuse", link, on=True)

    def accept(self, link: str) -> None:
        """As before."""
        self._emulator.say("refuse", link, on=False)

    def half_close(self, link: str, direction: Direction) -> None:  # noqa: ARG002
        """Raises ServantError: nobody in the middle of a connection could."""
        raise ServantError("a network of namespaces cannot close half a connection")

    def limit_data(self, link: str, size_bytes: int) -> None:  # noqa: ARG002
        """Raises ServantError, as all that follow: nobody in the middle knows the stream."""
        raise _no_relay()

    def slow_close(self, link: str, delay_ns: int) -> None:  # noqa: ARG002
        """See ``limit_data``."""
        raise _no_relay()

    def hold(self, link: str, what: Held) -> None:  # noqa: ARG002
        """See ``limit_data``."""
        raise _no_relay()

    def let_go(self, link: str) -> None:  # noqa: ARG002
        """See ``limit_data``."""
        raise _no_relay()


def _no_relay() -> ServantError:
    return ServantError("a network of namespaces has no relay that could do that")
