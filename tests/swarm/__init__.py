"""The swarm: random topologies, options, loads and faults from a seed, held against the laws of the twin."""
