"""Pathologic publisher: a thousand topics at once, then one random topic a second."""

import sys
import time
from random import randint

import zmq


def main(url=None, rounds=20):
    """Bind, or connect to ``url``."""
    ctx = zmq.Context.instance()
    publisher = ctx.socket(zmq.PUB)
    if url:
        publisher.connect(url)
    else:
        publisher.bind("tcp://127.0.0.1:5557")
    # Let subscribers connect.
    time.sleep(1)
    for topic_nbr in range(1000):
        publisher.send_multipart([b"%03d" % topic_nbr, b"Save Roger"])
    for _ in range(rounds):
        time.sleep(1)
        publisher.send_multipart([b"%03d" % randint(0, 999), b"Off with his head!"])
    publisher.close()
    ctx.term()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] != "-" else None)
