"""Guard: the hook that holds a pod's containers back until its network policies are in force at its address."""

from __future__ import annotations

from wherry.network.agent import NodeNetwork
from wherry.node.hooks.hook import Hook, Scope, Starting
from wherry.node.runtime.interface import ContainerConfig


class Guard(Hook):
    """Comes last: by then the sandbox has its address, and nothing of the pod runs yet."""

    def __init__(self, network: NodeNetwork) -> None:
        self._network = network

    async def container(self, scope: Scope, starting: Starting, config: ContainerConfig) -> ContainerConfig:
        """Wait for the rules; immediate when no policy exists, or for a pod that has its rules already."""
        if scope.ips:
            await self._network.guarded(scope.pod, scope.ips[0])
        return config

    async def clear(self, scope: Scope) -> None:
        """The pod has ended: its address is no longer its own."""
        self._network.released(scope.pod.metadata.uid)
