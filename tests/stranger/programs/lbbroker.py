"""Load-balancing broker: clients and workers are REQ, the broker in the middle two ROUTERs and a list of who is free."""

import threading

import zmq

NBR_CLIENTS = 10
NBR_WORKERS = 3


def worker_task(ident):
    """Say that we are ready, then answer whatever comes."""
    socket = zmq.Context.instance().socket(zmq.REQ)
    socket.identity = f"Worker-{ident}".encode("ascii")
    socket.connect("ipc://backend.ipc")
    socket.send(b"READY")
    while True:
        try:
            address, empty, request = socket.recv_multipart()
        except zmq.ContextTerminated:
            socket.close(linger=0)
            return
        print(f"{socket.identity.decode('ascii')}: {request.decode('ascii')}")
        socket.send_multipart([address, b"", b"OK"])


def client_task(ident):
    """One request, one reply."""
    socket = zmq.Context.instance().socket(zmq.REQ)
    socket.identity = f"Client-{ident}".encode("ascii")
    socket.connect("ipc://frontend.ipc")
    socket.send(b"HELLO")
    reply = socket.recv()
    print(f"{socket.identity.decode('ascii')}: {reply.decode('ascii')}")
    socket.close()


def main():
    """The broker."""
    context = zmq.Context.instance()
    frontend = context.socket(zmq.ROUTER)
    frontend.bind("ipc://frontend.ipc")
    backend = context.socket(zmq.ROUTER)
    backend.bind("ipc://backend.ipc")

    threads = []
    for i in range(NBR_CLIENTS):
        threads.append(threading.Thread(target=client_task, args=(i,), daemon=True))
    for i in range(NBR_WORKERS):
        threads.append(threading.Thread(target=worker_task, args=(i,), daemon=True))
    for thread in threads:
        thread.start()

    count = NBR_CLIENTS
    backend_ready = False
    workers = []
    poller = zmq.Poller()
    # Only the backend: nobody is free at first.
    poller.register(backend, zmq.POLLIN)
    while True:
        sockets = dict(poller.poll())

        if backend in sockets:
            request = backend.recv_multipart()
            worker, empty, client = request[:3]
            workers.append(worker)
            if workers and not backend_ready:
                poller.register(frontend, zmq.POLLIN)
                backend_ready = True
            if client != b"READY" and len(request) > 3:
                empty, reply = request[3:]
                frontend.send_multipart([client, b"", reply])
                count -= 1
                if not count:
                    break

        if frontend in sockets:
            client, empty, request = frontend.recv_multipart()
            worker = workers.pop(0)
            backend.send_multipart([worker, b"", client, b"", request])
            if not workers:
                poller.unregister(frontend)
                backend_ready = False

    for thread in threads[:NBR_CLIENTS]:
        thread.join()
    backend.close()
    frontend.close()
    context.term()
    print("done")


if __name__ == "__main__":
    main()
