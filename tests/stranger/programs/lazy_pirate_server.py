"""Echo, with simulated trouble: now and then slow, in the end gone."""

from random import randint
import sys
import time

import zmq

context = zmq.Context()
server = context.socket(zmq.REP)
server.bind("tcp://*:5555")
survives = int(sys.argv[1]) if len(sys.argv) > 1 else 3

for cycle in range(1, 1000):
    request = server.recv()
    if cycle > survives and randint(0, 3) == 0:
        print("simulating a crash")
        break
    if cycle > survives and randint(0, 3) == 0:
        print("simulating CPU overload")
        time.sleep(3)
    print("request", request.decode())
    time.sleep(1)
    server.send(request)

server.close()
context.term()
