"""`python -m bench [NAME ...]`: run benchmarks one after the other and print one table."""

from __future__ import annotations

import importlib
import sys
import time

from bench.rows import Row, table

BENCHES = ("api", "scheduling", "service_rules", "policies", "dns", "node", "ingress", "autoscale")
BY_NAME_ONLY = ("peer",)
"""Needs programs that take a quarter of an hour to build."""


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all."""
    unknown = set(names) - {*BENCHES, *BY_NAME_ONLY}
    if unknown:
        there = ", ".join((*BENCHES, *BY_NAME_ONLY))
        sys.stderr.write(f"no benchmark {', '.join(sorted(unknown))}; there are: {there}\n")
        return 2
    rows: list[Row] = []
    for name in names or BENCHES:
        begun = time.perf_counter()
        sys.stderr.write(f"{name} ...")
        sys.stderr.flush()
        rows += importlib.import_module(f"bench.{name}").rows()
        sys.stderr.write(f" {time.perf_counter() - begun:.0f} s\n")
    print(table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
