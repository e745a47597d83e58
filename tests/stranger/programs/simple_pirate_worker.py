"""A REQ worker that announces itself, works, and dies after a while."""

import random
import sys
import time

import zmq

READY = b"\x01"

context = zmq.Context(1)
worker = context.socket(zmq.REQ)
identity = "%04X-%04X" % (random.randrange(0x10000), random.randrange(0x10000))
worker.setsockopt_string(zmq.IDENTITY, identity)
worker.connect("tcp://localhost:5556")
print(f"({identity}) ready")
worker.send(READY)

lives = int(sys.argv[1]) if len(sys.argv) > 1 else 5
while True:
    message = worker.recv_multipart()
    lives -= 1
    if lives == 0:
        print(f"({identity}) simulating a crash")
        break
    print(f"({identity}) normal reply")
    time.sleep(0.5)
    worker.send_multipart(message)
