"""The kernel's counters, both hierarchies, against text as kernels write it."""

from __future__ import annotations

import os
from pathlib import Path

from wherry.host import consumption


def test_version_1() -> None:
    found = consumption.parse_v1(
        {
            "cpuacct.usage": "123456789\n",
            "cpu.stat": "nr_periods 7\nnr_throttled 2\nthrottled_time 55\n",
            "memory.stat": "cache 1\ntotal_cache 400\ntotal_rss 300\ntotal_inactive_file 100\ntotal_pgfault 9\n",
            "memory.usage_in_bytes": "1000\n",
            "memory.limit_in_bytes": "9223372036854771712\n",
            "pids.current": "3\n",
        }
    )
    assert (found.cpu, found.throttled, found.periods, found.throttled_periods) == (123456789, 55, 7, 2)
    assert (found.memory, found.working_set, found.rss, found.cache, found.limit) == (1000, 900, 300, 400, 0)
    assert (found.faults, found.pids, found.pressure) == (9, 3, None)


def test_version_2_with_pressure() -> None:
    found = consumption.parse_v2(
        {
            "cpu.stat": "usage_usec 1500\nuser_usec 1000\nthrottled_usec 4\n",
            "memory.stat": "anon 300\nfile 500\ninactive_file 2000\npgmajfault 4\n",
            "memory.current": "1000",
            "memory.max": "4096",
            "memory.pressure": "some avg10=0.50 avg60=0.00 avg300=0.00 total=17\nfull avg10=0.00 avg60=0.00 "
            "avg300=0.00 total=0\n",
        }
    )
    assert (found.cpu, found.throttled, found.working_set, found.limit) == (1_500_000, 4000, 0, 4096)
    assert found.pressure is not None
    assert found.pressure["memory"]["some"] == {"avg10": 0.5, "avg60": 0.0, "avg300": 0.0, "total": 17.0}
    assert consumption.parse_v2({"memory.max": "max\n"}).limit == 0


def test_traffic_leaves_the_loopback_out() -> None:
    head = "Inter-|   Receive\n face |bytes\n"
    lines = "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  eth0:10 20 30 40 0 0 0 0 50 60 70 80 0 0 0 0\n"
    (one,) = consumption.parse_traffic(head + lines)
    assert (one.name, one.received, one.received_dropped, one.sent, one.sent_errors) == ("eth0", 10, 40, 50, 70)


def test_a_folder_counts_hard_links_once_and_follows_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").write_bytes(b"x" * 8192)
    os.link(tmp_path / "a" / "f", tmp_path / "g")
    (tmp_path / "etc").symlink_to("/etc")
    used, inodes = consumption.of_folder(tmp_path)
    assert inodes == 4
    assert 8192 <= used < 64 * 1024
    assert consumption.of_folder(tmp_path / "gone") == (0, 0)


def test_a_group_is_read_from_either_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "cpuacct" / "a").mkdir(parents=True)
    (tmp_path / "cpuacct" / "a" / "cpuacct.usage").write_text("5")
    found = consumption.of_group("/a", tmp_path)
    assert found is not None
    assert found.cpu == 5
    assert consumption.of_group("/b", tmp_path) is None
    (tmp_path / "cgroup.controllers").write_text("cpu")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "cpu.stat").write_text("usage_usec 1")
    found = consumption.of_group("b", tmp_path)
    assert found is not None
    assert found.cpu == 1000
