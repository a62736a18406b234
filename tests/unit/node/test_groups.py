"""The weight of all pods together is that of the node's processors, at every level that competes with other work."""

from wherry.host.cgroups import Limits
from wherry.node import groups


def test_what_is_around_the_pods_weighs_as_much_as_they_do() -> None:
    found = groups.weights("/wherry-1/vm", 2000, 1 << 30, [])
    assert found["/wherry-1"] == Limits(2048)
    assert found["/wherry-1/vm"] == Limits(2048, memory=1 << 30)
    assert found["/wherry-1/vm/besteffort"] == Limits(2)


def test_pods_right_below_the_root_have_nothing_around_them() -> None:
    assert list(groups.weights("/pods", 1000, 1, [])) == ["/pods", "/pods/burstable", "/pods/besteffort"]
