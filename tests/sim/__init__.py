"""The simulated world: runs from start to trace."""
