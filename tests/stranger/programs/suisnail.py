"""Suicidal snail: a subscriber that notices how late its messages are and gives up.

A negative HWM lets the queues grow: without limit there is no loss, only delay.
"""

import random
import threading
import time

import zmq
from zhelpers import zpipe

MAX_ALLOWED_DELAY = 1.0


def subscriber(pipe):
    """Work one to three milliseconds on each tick; die when a tick is more than a second old."""
    ctx = zmq.Context.instance()
    sub = ctx.socket(zmq.SUB)
    sub.setsockopt(zmq.SUBSCRIBE, b"")
    sub.rcvhwm = 0
    sub.connect("tcp://localhost:5556")
    count = 0
    while True:
        clock = float(sub.recv().decode())
        count += 1
        if time.time() - clock > MAX_ALLOWED_DELAY:
            print("E: subscriber cannot keep up, aborting")
            break
        time.sleep(1e-3 * (1 + 2 * random.random()))
    pipe.send_string(f"gone and died after {count}")


def publisher(pipe):
    """A tick every millisecond until told to stop."""
    ctx = zmq.Context.instance()
    pub = ctx.socket(zmq.PUB)
    pub.sndhwm = 0
    pub.bind("tcp://*:5556")
    while True:
        pub.send(f"{time.time()}".encode())
        try:
            signal = pipe.recv(zmq.DONTWAIT)
        except zmq.ZMQError as e:
            if e.errno != zmq.EAGAIN:
                raise
        else:
            if signal == b"STOP":
                break
        time.sleep(1e-3)
    pub.close(0)


def main():
    """Start both, wait for the subscriber to die."""
    ctx = zmq.Context.instance()
    pub_pipe, pub_peer = zpipe(ctx)
    sub_pipe, sub_peer = zpipe(ctx)
    pub_thread = threading.Thread(target=publisher, args=(pub_peer,))
    pub_thread.daemon = True
    pub_thread.start()
    sub_thread = threading.Thread(target=subscriber, args=(sub_peer,))
    sub_thread.daemon = True
    sub_thread.start()
    print(sub_pipe.recv_string())
    pub_pipe.send(b"STOP")
    pub_thread.join()
    print("stopped")


if __name__ == "__main__":
    main()
