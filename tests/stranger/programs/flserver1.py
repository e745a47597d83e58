"""Freelance server: an echo service on an address of its own."""

import sys

import zmq

if len(sys.argv) < 2:
    print(f"I: Syntax: {sys.argv[0]} <endpoint> [requests]")
    sys.exit(0)

endpoint = sys.argv[1]
context = zmq.Context()
server = context.socket(zmq.REP)
server.bind(endpoint)
print("I: Echo service is ready at", endpoint)
left = int(sys.argv[2]) if len(sys.argv) > 2 else None
while left is None or left > 0:
    msg = server.recv_multipart()
    if not msg:
        break
    server.send_multipart(msg)
    if left is not None:
        left -= 1
server.setsockopt(zmq.LINGER, 0)
server.close()
print("I: gone:", endpoint)
