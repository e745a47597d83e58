"""A link as a process that passes bytes on: delay, jitter, bandwidth, standstill, breaks, without any privilege.

One process serves all links of a run. Whoever connects over a link is given the address of a listener here; for each
connection it makes one to the true address, and what passes is shaped by :mod:`harness.shaper`. What a byte stream
cannot do honestly (lose, reorder, duplicate) it does not do.
"""
