"""How the parts come together: every object is built here by hand, in order, and nowhere else.

`control_plane` gives the server process: store -> API server -> in-process clients -> controllers and scheduler.
`node` gives an agent process: containerd -> runtime -> agent, with proxy, DNS and routes over one HTTPS client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from wherry.aio.clock import Clock
from wherry.aio.supervise import keep_running
from wherry.apiserver.apiserver import ApiServer, ApiServerConfig
from wherry.apiserver.authn.user import MASTERS, User, known
from wherry.app import certificates, kubernetes_service
from wherry.app.config import Config
from wherry.controllers.registry import CONTROLLERS
from wherry.host.keys import Pki, Sealer
from wherry.reconcile.runner import run_controllers
from wherry.store.log import Log
from wherry.store.sqlite import SqliteLog

SEALED = "/registry/core/secrets/"
"""Keys under this prefix are sealed at rest."""
CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"
PARTS = frozenset({"api", "controllers", "scheduler"})


@dataclass(slots=True)
class ControlPlane:
    """A server process: its parts, and what runs in it for ever."""

    log: Log
    api: ApiServer
    jobs: list[tuple[str, Callable[[], Awaitable[None]]]] = field(default_factory=list)

    async def stop(self) -> None:
        """Stop serving, then release the store."""
        await self.api.stop()
        await self.log.close()


async def control_plane(config: Config, clock: Clock, only: frozenset[str]) -> ControlPlane:
    """Open the store, load the state, listen. Raises OSError when the port is taken, store errors as they are."""
    pki = Pki(config.pki, clock)
    sealer = Sealer(pki.seal_key)
    log = await SqliteLog.open(config.database, seal=partial(_seal, sealer), unseal=partial(_unseal, sealer))
    api = ApiServer(
        ApiServerConfig(
            certificate=pki.server.certificate,
            key=pki.server.key,
            client_ca=pki.ca.files.certificate,
            token_keys=[pki.token_key],
            host=config.listen,
            port=config.port,
            service_cidr=config.service_cidr,
            node_ports=config.node_ports,
        ),
        log,
        clock,
    )
    plane = ControlPlane(log, api)
    await api.start()
    jobs = plane.jobs
    jobs.append(("certificates", partial(certificates.renew, config, pki, clock, api)))
    jobs.append(("kubernetes service", partial(kubernetes_service.publish, config, api.client(_user("wherry")))))
    if "controllers" in only:
        client = api.client(known(CONTROLLER_MANAGER))
        jobs.append(("controllers", partial(run_controllers, client, clock, CONTROLLERS)))
    if "scheduler" in only:
        jobs.append(("scheduler", partial(_scheduler, api, clock)))
    return plane


def supervised(plane: ControlPlane, clock: Clock) -> list[Coroutine[Any, Any, None]]:
    """Every job of the process, each started again when it fails."""
    return [keep_running(name, job, clock) for name, job in plane.jobs]


async def _scheduler(api: ApiServer, clock: Clock) -> None:
    from wherry.scheduler.loop import run

    await run(api.client(known(SCHEDULER)), clock)


def _user(name: str) -> User:
    return known(f"system:{name}", MASTERS)


def _seal(sealer: Sealer, key: str, value: bytes) -> bytes:
    return sealer.seal(key, value) if key.startswith(SEALED) else value


def _unseal(sealer: Sealer, key: str, value: bytes) -> bytes:
    return sealer.unseal(key, value) if key.startswith(SEALED) else value
