"""Namespaces without root: what "netns" needs for an ordinary user."""

from __future__ import annotations

import os

from harness.live.probes import _scratch

HELP = (
    "sysctl user.max_user_namespaces and kernel.unprivileged_userns_clone; AppArmor and containers may forbid it, too"
)

_NOBODY = 65_534


def probe() -> str | None:
    """As an ordinary user, also where this process is root's: a network of one's own."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    _scratch.become_readable()
    _scratch.enter()
    return None
