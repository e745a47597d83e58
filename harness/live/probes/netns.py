"""A network namespace for each node, joined by cables of the kernel (live network "namespaces")."""

from __future__ import annotations

import os

from harness.live.namespaces import system
from harness.live.probes import _scratch

HELP = (
    "run as root, or allow namespaces of users (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
    "and no profile that forbids them); a container needs CAP_NET_ADMIN and CAP_SYS_ADMIN"
)


def probe() -> str | None:
    """Two namespaces, a cable whose ends are in one each, addresses on it."""
    with _scratch.wire() as (routes, left, right):
        # A second network of the same owner; with a namespace of users of its own it would be a stranger's.
        routes.link("set", index=right, net_ns_fd=system.new_network())
        routes.addr("add", index=left, address="10.99.0.1", prefixlen=24)
        return "an interface cannot be moved to another namespace" if routes.link_lookup(ifname="right") else None


def detail() -> str:
    """Which way."""
    return "as root" if os.geteuid() == 0 else "as an ordinary user, in a user namespace"
