"""A link as a process that moves the real packets of the real tcp/ip stack, where the kernel has no netem, and seeded.

Theory of operation. Each link has two interfaces in one network namespace: ``outer`` towards the node, ``inner``
towards the network. Nothing but this process joins them: packet sockets read whole Ethernet frames from one and write
them to the other, unchanged, when the shaper of that direction (:mod:`harness.shaper`, the same as the simulation's)
says that they arrive. So arp, multicast and IPv6 pass by themselves, and nothing is cut or merged.

Chance is drawn for traffic only, in the order of the packets, a stream of its own for each direction of each link:
what a kernel says of its own accord and whenever it likes (arp, IGMP, ICMPv6) is delayed and nothing else, so that it
does not shift what the others draw (:func:`.frames.is_traffic`).

What this process loses on its own, since it was too slow, it counts and tells; see :class:`.port.Port`.
"""
