"""A worker that tells the queue that it lives, and looks for the queue anew when that has fallen silent."""

from random import randint
import sys
import time

import zmq

LIVENESS = 3
INTERVAL = 1
INTERVAL_INIT = 1
INTERVAL_MAX = 32
READY = b"\x01"
HEARTBEAT = b"\x02"
CRASH_AT = int(sys.argv[1]) if len(sys.argv) > 1 else 0


def worker_socket(context, poller):
    worker = context.socket(zmq.DEALER)
    identity = b"%04X-%04X" % (randint(0, 0x10000), randint(0, 0x10000))
    worker.setsockopt(zmq.IDENTITY, identity)
    poller.register(worker, zmq.POLLIN)
    worker.connect("tcp://localhost:5556")
    worker.send(READY)
    return worker


context = zmq.Context(1)
poller = zmq.Poller()
liveness = LIVENESS
interval = INTERVAL_INIT
heartbeat_at = time.time() + INTERVAL
worker = worker_socket(context, poller)
cycles = 0
while True:
    events = dict(poller.poll(INTERVAL * 1000))
    if events.get(worker) == zmq.POLLIN:
        frames = worker.recv_multipart()
        if not frames:
            break
        if len(frames) == 3:
            cycles += 1
            if cycles == CRASH_AT:
                print("simulating a crash")
                break
            print("normal reply")
            worker.send_multipart(frames)
            liveness = LIVENESS
            time.sleep(1)
        elif len(frames) == 1 and frames[0] == HEARTBEAT:
            liveness = LIVENESS
        else:
            print("invalid message", frames)
        interval = INTERVAL_INIT
    else:
        liveness -= 1
        if liveness == 0:
            print("heartbeat failure, cannot reach queue")
            print("reconnecting in %0.2fs" % interval)
            time.sleep(interval)
            if interval < INTERVAL_MAX:
                interval *= 2
            poller.unregister(worker)
            worker.setsockopt(zmq.LINGER, 0)
            worker.close()
            worker = worker_socket(context, poller)
            liveness = LIVENESS
    if time.time() > heartbeat_at:
        heartbeat_at = time.time() + INTERVAL
        worker.send(HEARTBEAT)
