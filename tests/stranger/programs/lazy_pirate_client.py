"""Ask a server, and ask again on a fresh socket when no answer comes in time."""

import itertools
import logging
import sys

import zmq

logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO, stream=sys.stdout)

TIMEOUT_MS = 2500
TRIES = 3
SERVER = sys.argv[1] if len(sys.argv) > 1 else "tcp://localhost:5555"
REQUESTS = int(sys.argv[2]) if len(sys.argv) > 2 else 8

context = zmq.Context()


def fresh_socket():
    socket = context.socket(zmq.REQ)
    socket.connect(SERVER)
    return socket


def ask(socket, request):
    """The answer, and the socket to go on with; None when the server is given up."""
    for attempt in range(TRIES):
        socket.send(request)
        if socket.poll(TIMEOUT_MS) & zmq.POLLIN:
            reply = socket.recv()
            if reply == request:
                logging.info("server replied %s", reply.decode())
                return socket
            logging.error("malformed reply %s", reply)
        logging.warning("no response")
        # The socket is confused: close it at once and take another one.
        socket.setsockopt(zmq.LINGER, 0)
        socket.close()
        if attempt < TRIES - 1:
            logging.info("reconnecting")
            socket = fresh_socket()
    return None


socket = fresh_socket()
for number in itertools.count():
    if number == REQUESTS:
        break
    socket = ask(socket, b"%d" % number)
    if socket is None:
        logging.error("server seems to be offline, abandoning")
        sys.exit(1)
