"""The twin: its kernel, its queues, its sockets, each law on its own."""
