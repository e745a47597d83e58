"""Majordomo worker: echoes."""

import sys

from mdwrkapi import MajorDomoWorker


def main():
    """Echo until the broker says goodbye."""
    worker = MajorDomoWorker("tcp://localhost:5555", b"echo")
    reply = None
    count = 0
    while True:
        request = worker.recv(reply)
        if request is None:
            break
        count += 1
        reply = request
    print(f"worker: {count} requests, {worker.reconnects} reconnects", file=sys.stdout)
    worker.destroy()


if __name__ == "__main__":
    main()
