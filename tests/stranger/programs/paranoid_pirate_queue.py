"""A queue of workers that are known to be alive, because they and the queue say so every second."""

from collections import OrderedDict
import time

import zmq

READY = b"\x01"
HEARTBEAT = b"\x02"
LIVENESS = 3
INTERVAL = 1.0


class Worker:
    def __init__(self, address):
        self.address = address
        self.expiry = time.time() + INTERVAL * LIVENESS


class Queue:
    def __init__(self):
        self.workers = OrderedDict()

    def ready(self, worker):
        self.workers.pop(worker.address, None)
        self.workers[worker.address] = worker

    def purge(self):
        now = time.time()
        for address in [address for address, worker in self.workers.items() if now > worker.expiry]:
            print("idle worker expired:", address.decode(), flush=True)
            del self.workers[address]

    def next(self):
        address, _worker = self.workers.popitem(False)
        return address


context = zmq.Context(1)
frontend = context.socket(zmq.ROUTER)
backend = context.socket(zmq.ROUTER)
frontend.bind("tcp://*:5555")
backend.bind("tcp://*:5556")

only_workers = zmq.Poller()
only_workers.register(backend, zmq.POLLIN)
both = zmq.Poller()
both.register(frontend, zmq.POLLIN)
both.register(backend, zmq.POLLIN)

queue = Queue()
heartbeat_at = time.time() + INTERVAL

while True:
    poller = both if queue.workers else only_workers
    ready = dict(poller.poll(INTERVAL * 1000))

    if ready.get(backend) == zmq.POLLIN:
        frames = backend.recv_multipart()
        if not frames:
            break
        address = frames[0]
        queue.ready(Worker(address))
        message = frames[1:]
        if len(message) == 1:
            if message[0] not in (READY, HEARTBEAT):
                print("invalid message from worker:", message)
        else:
            frontend.send_multipart(message)

        if time.time() >= heartbeat_at:
            for worker in queue.workers:
                backend.send_multipart([worker, HEARTBEAT])
            heartbeat_at = time.time() + INTERVAL

    if ready.get(frontend) == zmq.POLLIN:
        frames = frontend.recv_multipart()
        if not frames:
            break
        frames.insert(0, queue.next())
        backend.send_multipart(frames)

    queue.purge()
