"""The only code that runs programs, mounts, writes cgroups, enters namespaces and keeps keys on disk."""
