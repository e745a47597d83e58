"""Programs of plain pyzmq, unmodified, as real processes on hosts of their own: ``python -m harness.live SCRIPT``.

::

    host east                the middle                        host west
    ---------                ----------------------------      ---------
         eth0 ============== port0 -- switch -- port1 ================ eth0      hosts that no link joins
        link0 ================================================================ link0      a link with a rate at most
        link1 ============== outer1 ~ emulator ~ inner1 ================ link1      any other

A host is a network namespace. A link of the topology file is a cable of its own (veth) between its two hosts, and the
route of each to the other leads over it; all others are joined by a switch. So a link's faults are that pair's alone,
as in the simulation. The machinery is that of :mod:`harness.live.namespaces`; names of hosts are found in an
``/etc/hosts`` that only the program sees, in a mount namespace of its own. All programs live in one namespace of
processes: with its first one the kernel ends all others, whatever they have started meanwhile.
"""
