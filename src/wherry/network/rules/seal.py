"""The kernel's rule for what pods send in IPv6: one table `ip6 wherry`, which lets nothing in from a pod's link.

Pods have IPv4 addresses, but each link has an IPv6 address of its own as well: by it a pod would reach what the node
listens on, past every policy, and could announce itself as a router (CVE-2020-10749). A transaction of its own: a
kernel without IPv6 refuses it, and has nothing to close. Pure: text only.
"""

from __future__ import annotations

TABLE = "wherry"


def close() -> str:
    """The transaction that closes pods' links to IPv6, whether or not they are."""
    return (
        f"{remove()}table ip6 {TABLE} {{\n"
        "  chain pods {\n"
        "    type filter hook prerouting priority -300\n"
        '    iifname "veth*" drop\n'
        "  }\n"
        "}\n"
    )


def remove() -> str:
    """The transaction that leaves no trace of the table."""
    return f"add table ip6 {TABLE}\ndelete table ip6 {TABLE}\n"
