"""Espresso: a forwarder between publishers and subscribers, and somebody who listens in on its capture socket."""

import time
from random import randint
from string import ascii_uppercase
from threading import Thread

import zmq
from zhelpers import zpipe


def subscriber_thread():
    """Take a hundred messages of A and B, then leave."""
    subscriber = zmq.Context.instance().socket(zmq.SUB)
    subscriber.connect("tcp://localhost:6001")
    subscriber.setsockopt(zmq.SUBSCRIBE, b"A")
    subscriber.setsockopt(zmq.SUBSCRIBE, b"B")
    count = 0
    while count < 5:
        try:
            msg = subscriber.recv_multipart()
        except zmq.ZMQError as e:
            if e.errno == zmq.ETERM:
                break
            raise
        assert msg[0][:1] in b"AB"
        count += 1
    print(f"Subscriber received {count} messages")


def publisher_thread():
    """A letter and a number ten times a second."""
    publisher = zmq.Context.instance().socket(zmq.PUB)
    publisher.bind("tcp://*:6000")
    while True:
        string = f"{ascii_uppercase[randint(0, 9)]}-{randint(0, 100000):05d}"
        try:
            publisher.send(string.encode("utf-8"))
        except zmq.ZMQError as e:
            if e.errno == zmq.ETERM:
                break
            raise
        time.sleep(0.1)


def listener_thread(pipe):
    """Print whatever passes the forwarder, subscriptions included."""
    while True:
        try:
            print(pipe.recv_multipart())
        except zmq.ZMQError as e:
            if e.errno == zmq.ETERM:
                break
            raise


def main():
    """Start all; the forwarder runs in the main thread until the context is terminated."""
    context = zmq.Context.instance()
    p_thread = Thread(target=publisher_thread, daemon=True)
    s_thread = Thread(target=subscriber_thread, daemon=True)
    p_thread.start()
    s_thread.start()
    pipe = zpipe(context)
    subscriber = context.socket(zmq.XSUB)
    subscriber.connect("tcp://localhost:6000")
    publisher = context.socket(zmq.XPUB)
    publisher.bind("tcp://*:6001")
    l_thread = Thread(target=listener_thread, args=(pipe[1],), daemon=True)
    l_thread.start()

    def stop():
        s_thread.join()
        time.sleep(0.5)
        context.term()

    Thread(target=stop, daemon=True).start()
    try:
        zmq.proxy(subscriber, publisher, pipe[0])
    except zmq.ContextTerminated:
        print("Interrupted")
    for socket in (subscriber, publisher, *pipe):
        socket.close(0)


if __name__ == "__main__":
    main()
