"""``python -m harness.twin``: programs of plain pyzmq in one simulated world, and what became of their messages."""
