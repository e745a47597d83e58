"""pyzmq's own test suite, on the real library and on the twin."""
