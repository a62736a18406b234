"""Benchmarks: one file per row group of the table that `make bench` prints. Targets stand beside the figures."""
