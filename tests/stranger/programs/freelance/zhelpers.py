"""Small things that several programs need."""

import binascii
import os
import sys

import zmq


def socket_set_hwm(socket, hwm=-1):
    """Both high-water marks at once."""
    socket.set_hwm(hwm)


def zpipe(ctx):
    """Two PAIR sockets that are connected to each other inside the process."""
    a = ctx.socket(zmq.PAIR)
    b = ctx.socket(zmq.PAIR)
    a.linger = b.linger = 0
    a.hwm = b.hwm = 1
    iface = f"inproc://{binascii.hexlify(os.urandom(8)).decode()}"
    a.bind(iface)
    b.connect(iface)
    return a, b


def dump(msg_or_socket):
    """Print all frames of a message."""
    msg = msg_or_socket.recv_multipart() if isinstance(msg_or_socket, zmq.Socket) else msg_or_socket
    print("-" * 40)
    for part in msg:
        try:
            print(f"[{len(part):03d}] {part.decode('ascii')}")
        except UnicodeDecodeError:
            print(f"[{len(part):03d}] 0x{binascii.hexlify(part).decode('ascii')}")
    sys.stdout.flush()
