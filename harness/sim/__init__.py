"""The simulated world: a run executed on the twin, in virtual time."""
