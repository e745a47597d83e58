"""The live world: real pyzmq sockets, one process a node, real time."""
