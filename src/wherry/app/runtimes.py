"""The containerd of each node: where it keeps its things, and where it finds image registries."""

from __future__ import annotations

from wherry.app.config import Config, Node
from wherry.host import containerd


def runtime_settings(config: Config, node: Node) -> containerd.Settings:
    """A node's containerd: where it keeps its things."""
    root = config.node_root(node.name)
    return containerd.settings_for(
        root / "containerd", config.node_run(node.name), cni_conf=root / "cni", netns=node.netns
    )


def keep_registries(config: Config) -> bool:
    """Tell every node's containerd where image registries are; returns whether anything changed."""
    settings = (runtime_settings(config, node) for node in config.machines())
    return sum(containerd.keep_registries(of, config.registries) for of in settings) > 0
