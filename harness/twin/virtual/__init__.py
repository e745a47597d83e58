"""The world as a simulated program sees it: clock, threads, chance, operating system and its own modules.

Nothing of the process is patched. A program gets an ``__import__`` of its own; what depends on time,
threads, chance or the operating system is answered with virtual modules, with private copies of
pure Python modules that run on those, or with a sentence that says why it cannot be had.
"""
