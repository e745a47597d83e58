"""Two programs for a test: one sends over a plain socket as fast as it can, the other measures what arrives.

``python -m tests.live.goodput receive`` prints ``up``, the name of tcp's congestion control, and bytes a second of
data; ``... send ADDRESS`` goes on until it is killed.
"""

from __future__ import annotations

import socket
import sys
import time

PORT = 5550
FROM_S = 0.5
FOR_S = 1.5


def receive() -> None:
    with socket.create_server(("0.0.0.0", PORT)) as listener:
        print("up", flush=True)
        end, _ = listener.accept()
    print(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode(), flush=True)
    first = time.monotonic() + FROM_S
    while time.monotonic() < first:
        end.recv(1 << 20)
    begun, count = time.monotonic(), 0
    while time.monotonic() < begun + FOR_S:
        count += len(end.recv(1 << 20))
    print(count / (time.monotonic() - begun), flush=True)


def send(address: str) -> None:
    with socket.create_connection((address, PORT)) as end:
        while True:
            end.sendall(bytes(65_536))


if __name__ == "__main__":
    {"receive": receive, "send": send}[sys.argv[1]](*sys.argv[2:])
