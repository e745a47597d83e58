"""Clone client: takes a snapshot, then updates in sequence; sends random changes of its own."""

import random
import sys
import time

import zmq
from clonesrv import checksum
from kvmsg import KVMsg

SUBTREE = b"/client/"


def main():
    """Run for so many seconds."""
    seconds = float(sys.argv[1])
    ctx = zmq.Context()
    snapshot = ctx.socket(zmq.DEALER)
    snapshot.linger = 0
    snapshot.connect("tcp://localhost:5556")
    subscriber = ctx.socket(zmq.SUB)
    subscriber.linger = 0
    subscriber.setsockopt(zmq.SUBSCRIBE, SUBTREE)
    subscriber.connect("tcp://localhost:5557")
    publisher = ctx.socket(zmq.PUSH)
    publisher.linger = 0
    publisher.connect("tcp://localhost:5558")
    random.seed(time.time())
    kvmap = {}

    sequence = 0
    snapshot.send_multipart([b"ICANHAZ?", SUBTREE])
    while True:
        try:
            kvmsg = KVMsg.recv(snapshot)
        except KeyboardInterrupt:
            return
        if kvmsg.key == b"KTHXBAI":
            sequence = kvmsg.sequence
            print(f"I: received snapshot={sequence}", flush=True)
            break
        kvmsg.store(kvmap)

    poller = zmq.Poller()
    poller.register(subscriber, zmq.POLLIN)
    end = time.time() + seconds
    alarm = time.time() + 0.1
    while time.time() < end + 1:
        tickless = 1000 * max(0, alarm - time.time())
        items = dict(poller.poll(tickless))
        if subscriber in items:
            kvmsg = KVMsg.recv(subscriber)
            if kvmsg.sequence > sequence:
                sequence = kvmsg.sequence
                kvmsg.store(kvmap)
        if time.time() >= alarm:
            alarm = time.time() + 0.1
            if time.time() < end:
                key = SUBTREE + b"%d" % random.randint(1, 10000)
                KVMsg(0, key=key, body=b"%d" % random.randint(0, 1000000)).send(publisher)
    print(f"client: sequence {sequence}, {len(kvmap)} keys, checksum {checksum(kvmap)}")


if __name__ == "__main__":
    main()
