"""Last value cache: an XPUB that answers a new subscription with the last message of that topic."""

import sys

import zmq


def main(last_for=None):
    """Forward updates; on a subscription send what is known."""
    ctx = zmq.Context.instance()
    frontend = ctx.socket(zmq.SUB)
    frontend.connect("tcp://127.0.0.1:5557")
    backend = ctx.socket(zmq.XPUB)
    backend.bind("tcp://127.0.0.1:5558")
    frontend.setsockopt(zmq.SUBSCRIBE, b"")
    cache = {}
    poller = zmq.Poller()
    poller.register(frontend, zmq.POLLIN)
    poller.register(backend, zmq.POLLIN)
    while True:
        events = dict(poller.poll(last_for))
        if not events:
            print(f"quiet; {len(cache)} topics in the cache")
            break
        if frontend in events:
            msg = frontend.recv_multipart()
            topic, current = msg
            cache[topic] = current
            backend.send_multipart(msg)
        if backend in events:
            event = backend.recv()
            if event[0] == 1:
                topic = event[1:]
                if topic in cache:
                    print(f"Sending cached topic {topic.decode()}")
                    backend.send_multipart([topic, cache[topic]])
    frontend.close()
    backend.close()
    ctx.term()


if __name__ == "__main__":
    main(*(int(arg) for arg in sys.argv[1:]))
