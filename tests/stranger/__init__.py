"""A stranger's program, unmodified, in virtual time."""
