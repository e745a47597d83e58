"""Clone server: snapshots on a ROUTER, updates on a PUB, changes collected from a PULL."""

import sys
import time

import zmq
from kvmsg import KVMsg


class Route:
    """Where a snapshot goes to."""

    def __init__(self, socket, identity, subtree):
        self.socket = socket
        self.identity = identity
        self.subtree = subtree


def send_single(key, kvmsg, route):
    """One entry of the state, if the client wants it."""
    if key.startswith(route.subtree):
        route.socket.send(route.identity, zmq.SNDMORE)
        kvmsg.send(route.socket)


def main():
    """Serve until there was nothing to do for five seconds."""
    ctx = zmq.Context()
    snapshot = ctx.socket(zmq.ROUTER)
    snapshot.bind("tcp://*:5556")
    publisher = ctx.socket(zmq.PUB)
    publisher.bind("tcp://*:5557")
    collector = ctx.socket(zmq.PULL)
    collector.bind("tcp://*:5558")
    sequence = 0
    kvmap = {}
    poller = zmq.Poller()
    poller.register(collector, zmq.POLLIN)
    poller.register(snapshot, zmq.POLLIN)
    while True:
        try:
            items = dict(poller.poll(5000))
        except KeyboardInterrupt:
            break
        if not items:
            break
        if collector in items:
            kvmsg = KVMsg.recv(collector)
            sequence += 1
            kvmsg.sequence = sequence
            kvmsg.send(publisher)
            kvmsg.store(kvmap)
        if snapshot in items:
            identity, request, subtree = snapshot.recv_multipart()
            if request != b"ICANHAZ?":
                print("E: bad request, aborting")
                break
            route = Route(snapshot, identity, subtree)
            for k, v in kvmap.items():
                send_single(k, v, route)
            print(f"I: sending snapshot={sequence}", flush=True)
            snapshot.send(identity, zmq.SNDMORE)
            KVMsg(sequence, b"KTHXBAI", subtree).send(snapshot)
    print(f"server: {sequence} updates, {len(kvmap)} keys, checksum {checksum(kvmap)}")
    time.sleep(0.1)


def checksum(kvmap):
    """Of what is stored."""
    return sum(int(v.body) * (1 + int(k.rsplit(b"/", 1)[-1])) for k, v in kvmap.items())


if __name__ == "__main__":
    sys.exit(main())
