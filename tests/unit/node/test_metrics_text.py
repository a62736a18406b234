"""Prometheus texts: escaping, families, and what is said of a node."""

from __future__ import annotations

from tests.unit.node.pods import pod
from wherry.host.consumption import Traffic, Use
from wherry.node import agent_metrics, stats_metrics, stats_summary
from wherry.node.metering import ContainerUse, Disk, Look, PodUse
from wherry.node.runtime.interface import Usage


def _look() -> Look:
    one = ContainerUse("c", "id1", "img", 5.0, 2, Use(cpu=2_500_000_000, working_set=7, limit=10), 40, Disk(3, 1),
                       Disk(4, 1))  # fmt: skip
    traffic = (Traffic("eth0", 1, 2, 3, 4, 5, 6, 7, 8),)
    each = PodUse(pod(), Use(cpu=3_000_000_000, working_set=9), None, (one,), traffic, ())
    return Look(
        at=100.25, node=Use(cpu=9_000_000_000), node_rate=1, total=1000, available=400, pods=(each,), all_pods=Use(),
        all_pods_rate=None, traffic=(), disk=None, images_disk=None, images=Usage(0), own=(1, 2),
        tasks=(300, 4000),
    )  # fmt: skip


def test_resource_metrics_as_metrics_server_reads_them() -> None:
    lines = stats_metrics.resource(_look()).splitlines()
    name = pod().metadata.name
    labels = f'container="c",namespace="default",pod="{name}"'
    assert f"container_cpu_usage_seconds_total{{{labels}}} 2.5 100250" in lines
    assert f"container_memory_working_set_bytes{{{labels}}} 7 100250" in lines
    assert "node_memory_working_set_bytes 600 100250" in lines
    assert f'pod_cpu_usage_seconds_total{{namespace="default",pod="{name}"}} 3.0 100250' in lines
    assert lines.count("# TYPE container_cpu_usage_seconds_total counter") == 1


def test_values_of_labels_are_escaped() -> None:
    assert stats_metrics.sample("m", {"a": 'x"\\\n'}, 1) == 'm{a="x\\"\\\\\\n"} 1'


def test_summary_has_available_memory_only_under_a_limit() -> None:
    found = stats_summary.summary("n", 1.0, _look())
    (one,) = found["pods"]
    assert one["containers"][0]["memory"]["availableBytes"] == 3
    assert "availableBytes" not in one["memory"]
    assert "usageNanoCores" not in one["cpu"]
    assert one["network"]["rxBytes"] == 1
    assert found["node"]["memory"]["workingSetBytes"] == 600
    assert {name: found["node"]["rlimit"][name] for name in ("curproc", "maxpid")} == {"curproc": 300, "maxpid": 4000}
    assert "network" not in stats_summary.summary("n", 1.0, _look(), only_cpu_and_memory=True)["pods"][0]


def test_probes_are_told_by_result() -> None:
    text = agent_metrics.probes({("Liveness", "failed", "c", "p", "ns", "u"): 3})
    line = 'container="c",namespace="ns",pod="p",pod_uid="u",probe_type="Liveness",result="failed"'
    assert f"prober_probe_total{{{line}}} 3" in text
