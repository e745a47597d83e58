"""A queue of workers between clients and whoever is ready, least recently used first."""

from collections import deque

import zmq

READY = b"\x01"


def main():
    context = zmq.Context.instance()
    frontend = context.socket(zmq.ROUTER)
    frontend.bind("tcp://*:5555")
    backend = context.socket(zmq.ROUTER)
    backend.bind("tcp://*:5556")

    poller = zmq.Poller()
    poller.register(backend, zmq.POLLIN)
    workers = deque()

    while True:
        events = dict(poller.poll())
        if backend in events:
            worker, _empty, client, *rest = backend.recv_multipart()
            if not workers:
                poller.register(frontend, zmq.POLLIN)
            workers.append(worker)
            if client != READY:
                frontend.send_multipart([client, *rest])
        if frontend in events:
            client, _empty, request = frontend.recv_multipart()
            backend.send_multipart([workers.popleft(), b"", client, b"", request])
            if not workers:
                poller.unregister(frontend)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("stopped")
