"""What a link's relay does, whichever bytes it does it to: real ones in the live world, counted ones in the simulated.

A relay stands between the two ends of a connection over a link: it accepts one tcp connection, makes another one, and
passes on what comes, late and slowly, as :mod:`harness.shaper` says. How much it reads at once, what it holds, and
what the verbs of a link do to it are here, once for both worlds; sockets and clocks are not.
"""
