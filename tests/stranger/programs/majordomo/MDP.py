"""Majordomo protocol: the constants of RFC 7."""

C_CLIENT = b"MDPC01"
W_WORKER = b"MDPW01"
W_READY = b"\001"
W_REQUEST = b"\002"
W_REPLY = b"\003"
W_HEARTBEAT = b"\004"
W_DISCONNECT = b"\005"
commands = [None, b"READY", b"REQUEST", b"REPLY", b"HEARTBEAT", b"DISCONNECT"]
