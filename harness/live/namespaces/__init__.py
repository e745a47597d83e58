"""The network of a live run as namespaces of the kernel: one for each process of nodes, joined by a switch.

::

    node's namespace        the middle
    ----------------        -------------------------------------------
         eth0 ============= port0 --+
                                    |
         eth0 ============= port1 --+-- switch (a bridge)
                                    |
         eth0 ============= outer2 ~ emulator ~ inner2 ============= port2 (in the switch)

A double line is a cable of the kernel (veth). A node's link is its own cable. What a kernel does by itself stays with
it: a rate (token buckets at both ends), silence, a cable that is pulled, connections that are broken. A link
that delays, loses, or refuses passes the packet emulator (:mod:`harness.live.emulator`).

Namespaces have no names here: they live as long as somebody is inside or holds a descriptor. So whatever dies, and
however, the kernel takes away namespaces, cables and all that hangs on them when the last process of the run is gone.
"""
