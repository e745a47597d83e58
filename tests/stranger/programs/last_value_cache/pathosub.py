"""Subscribes to one topic, late, and prints what it gets."""

import sys

import zmq


def main(url, topic, wait_ms):
    """Print data of ``topic`` until nothing comes for ``wait_ms``."""
    ctx = zmq.Context.instance()
    subscriber = ctx.socket(zmq.SUB)
    subscriber.connect(url)
    subscriber.setsockopt(zmq.SUBSCRIBE, topic.encode())
    while subscriber.poll(wait_ms):
        got, data = subscriber.recv_multipart()
        assert got == topic.encode()
        print(f"{topic}: {data.decode()}")
    print(f"{topic}: no more")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
