"""Names, labels, log paths, commands: what makes a container recognisable as this pod's, also for crictl and for a
later agent. State that must survive the agent (attempt, back-off step, definition hash) is in the container's
annotations.
"""

from __future__ import annotations

from dataclasses import replace

from wherry.node import facts, resize
from wherry.node.hooks.hook import Hook, Scope, Starting
from wherry.node.runtime.interface import ContainerConfig, Mount, SandboxConfig


class Identity(Hook):
    """Owns the pod's own folder and its log folder."""

    async def prepare(self, scope: Scope) -> None:
        """Make the folders."""
        scope.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        scope.logs.mkdir(parents=True, exist_ok=True, mode=0o755)

    def sandbox(self, scope: Scope, config: SandboxConfig) -> SandboxConfig:
        """Labels and the log folder."""
        meta = scope.pod.metadata
        own = {facts.POD_NAME: meta.name, facts.POD_NAMESPACE: meta.namespace, facts.POD_UID: meta.uid}
        return replace(config, labels={**meta.labels, **own}, log_dir=str(scope.logs))

    async def container(self, scope: Scope, starting: Starting, config: ContainerConfig) -> ContainerConfig:
        """Labels, annotations, log file, termination message, command and terminal."""
        meta, spec = scope.pod.metadata, starting.spec
        (scope.logs / spec.name).mkdir(parents=True, exist_ok=True, mode=0o755)
        message = scope.termination_log(spec.name, starting.attempt)
        message.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        message.touch()
        message.chmod(0o666)
        return replace(
            config,
            labels={
                facts.POD_NAME: meta.name,
                facts.POD_NAMESPACE: meta.namespace,
                facts.POD_UID: meta.uid,
                facts.CONTAINER_NAME: spec.name,
            },
            annotations={
                **config.annotations,
                facts.HASH: facts.container_hash(spec),
                resize.SIZE: resize.annotation(spec),
            },
            log_path=f"{spec.name}/{starting.attempt}.log",
            command=spec.command,
            args=spec.args,
            working_dir=spec.working_dir,
            stdin=spec.stdin,
            stdin_once=spec.stdin_once,
            tty=spec.tty,
            mounts=(*config.mounts, Mount(spec.termination_message_path or "/dev/termination-log", str(message))),
        )
