"""A key-value message of three frames: key, sequence, body (Clone pattern, Guide chapter 5)."""

import struct

import zmq


class KVMsg:
    """Key, sequence number, body."""

    key = None
    sequence = 0
    body = None

    def __init__(self, sequence, key=None, body=None):
        assert isinstance(sequence, int)
        self.sequence = sequence
        self.key = key
        self.body = body

    def store(self, dikt):
        """Keep the message under its key; an empty body deletes."""
        if self.key is not None and self.body is not None:
            dikt[self.key] = self
        elif self.key in dikt:
            del dikt[self.key]

    def send(self, socket):
        """Three frames."""
        key = b"" if self.key is None else self.key
        body = b"" if self.body is None else self.body
        socket.send_multipart([key, struct.pack("!q", self.sequence), body])

    @classmethod
    def recv(cls, socket):
        """Read one."""
        key, seq_s, body = socket.recv_multipart()
        return cls(struct.unpack("!q", seq_s)[0], key=key or None, body=body or None)
