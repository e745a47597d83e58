"""Transports of the simulated library: how two sockets get a pipe."""
