"""A network simulator and reliability test harness for ZeroMQ messaging patterns.

One experiment file runs in two worlds: ``sim``, a deterministic discrete-event simulation of
libzmq in virtual time, and ``live``, real pyzmq sockets in real processes.
"""

__version__ = "0.1.0"
