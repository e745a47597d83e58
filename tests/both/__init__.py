"""Bodies in plain pyzmq that run on real sockets and on the simulated library, one body each."""
