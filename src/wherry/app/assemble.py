"""How the parts come together: every object is built here by hand, in order, and nowhere else.

`control_plane` gives the server process: store -> API server -> in-process clients -> controllers and scheduler.
`node` gives an agent process: containerd -> runtime -> agent, with proxy, DNS and routes over one HTTPS client.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import SystemRandom  # noqa: TID251 - here it is made, to be passed in
from typing import TYPE_CHECKING, Any

from wherry.aio.clock import Clock
from wherry.aio.supervise import keep_running
from wherry.apiserver.aggregation.remotes import FrontProxy
from wherry.apiserver.apiserver import ApiServer, ApiServerConfig
from wherry.apiserver.authn.requestheader import RequestHeader
from wherry.apiserver.authn.user import MASTERS, User, known, service_account_user
from wherry.apiserver.http import nothing
from wherry.apiserver.tracing import Tell
from wherry.app import (
    auditing,
    certificates,
    cluster_info,
    kubernetes_service,
    memory,
    podsecurity,
    store_copies,
    store_defaults,
    version,
)
from wherry.app.config import Config
from wherry.app.queue_metrics import QueueMetrics
from wherry.app.sealing import Sealing
from wherry.client.interface import Client
from wherry.host import site_authority
from wherry.host.keys import Pki
from wherry.host.signer import Signer
from wherry.reconcile.runner import run_controllers
from wherry.scheduler.counts import SchedulerCounts
from wherry.store.log import Log
from wherry.store.sqlite import SqliteLog
from wherry.store.takeover import TakeOver

if TYPE_CHECKING:
    from wherry.network.acme import Acme
    from wherry.reconcile.controller import AnyController
    from wherry.scheduler.loop import Scheduler

CONTROLLER_MANAGER = "system:kube-controller-manager"
"""Who fills the controllers' caches; each acts as an account of its own."""
MANAGER = "kube-controller-manager"
"""The owner of the fields that any of them sets."""
SCHEDULER = "system:kube-scheduler"
PARTS = frozenset({"api", "controllers", "scheduler"})


@dataclass(slots=True)
class ControlPlane:
    """A server process: its parts, and what runs in it for ever."""

    log: Log
    api: ApiServer
    jobs: list[tuple[str, Callable[[], Awaitable[None]]]] = field(default_factory=list)
    end: Callable[[], None] = nothing
    """Called when all else is over."""

    async def stop(self) -> None:
        """Stop serving, then release the store."""
        await self.api.stop()
        await self.log.close()
        self.end()


async def control_plane(config: Config, clock: Clock, only: frozenset[str]) -> ControlPlane:
    """Open the store, load the state, listen. Raises OSError when the port is taken, store errors as they are."""
    pki = Pki(config.pki, clock)
    sealing = Sealing(pki.seal_key, config.encrypt)
    takeover = TakeOver(store_copies.due(config), store_defaults.mark(), store_defaults.filled)
    log = await SqliteLog.open(config.database, seal=sealing.seal, unseal=sealing.unseal, takeover=takeover)
    store_copies.opened(config)
    trace, end = _traces(config)
    own = dataclasses.replace(_with_access(_api_config(config, pki), config, clock), trace=trace)
    api = ApiServer(own, log, clock)
    plane = ControlPlane(log, api, end=end)
    await api.start()
    jobs = plane.jobs
    jobs.append(("memory", memory.keep_small))
    jobs.append(("encryption keys", partial(sealing.keep, log)))
    jobs.append(("certificates", partial(certificates.renew, config, pki, clock, api)))
    jobs.append(("kubernetes service", partial(kubernetes_service.publish, config, api.client(_user("wherry")))))
    info = partial(cluster_info.publish, config, api.client(_user("wherry")), pki.ca.files.certificate)
    jobs.append(("cluster info", info))
    if "controllers" in only:
        queues = QueueMetrics(clock.monotonic)
        api.measures.collect(queues.families)
        jobs.append(("controllers", partial(_controllers, config, pki, api, clock, queues)))
    if "scheduler" in only:
        scheduler = api.client(known(SCHEDULER))
        counts = SchedulerCounts()
        api.measures.collect(counts.families)
        jobs.append(("scheduler", partial(_scheduler, scheduler, clock, counts)))
    return plane


def _api_config(config: Config, pki: Pki) -> ApiServerConfig:
    return ApiServerConfig(
        certificate=pki.server.certificate,
        key=pki.server.key,
        client_ca=pki.ca.files.certificate,
        token_keys=[pki.token_key],
        agent_certificate=pki.agent_client.certificate,
        agent_key=pki.agent_client.key,
        proxies=(RequestHeader(pki.front_proxy_ca.files.certificate, ("front-proxy-client",)),),
        front_proxy=FrontProxy(pki.front_proxy.certificate, pki.front_proxy.key),
        host=config.listen,
        port=config.port,
        service_cidr=config.service_cidr,
        node_ports=config.node_ports,
        audit=auditing.settings(config),
        pod_security=podsecurity.settings(config),
        version=version.reported(),
    )


def _with_access(base: ApiServerConfig, config: Config, clock: Clock) -> ApiServerConfig:
    """The same, with what the access file adds. Raises ConfigError."""
    if not config.access:
        return base
    from wherry.app.access import load

    access = load(Path(config.access), clock)
    tokens = access.tokens
    return dataclasses.replace(
        base,
        bearers=access.bearers,
        anonymous=access.anonymous or base.anonymous,
        webhooks_before=access.before,
        webhooks_after=access.after,
        proxies=(*base.proxies, *([access.proxies] if access.proxies is not None else [])),
        token_keys=[*map(Path, tokens.keys), *base.token_keys],
        issuers=tuple(dict.fromkeys((*tokens.issuers, *base.issuers))),
        audiences=tokens.audiences or tuple(dict.fromkeys((*tokens.issuers, *base.issuers))),
    )


def _traces(config: Config) -> tuple[Tell | None, Callable[[], None]]:
    """Whom to tell of requests, and what ends that. Raises ConfigError."""
    if not config.tracing:
        return None, nothing
    from wherry.app import tracing

    return tracing.start(config.tracing)


def supervised(plane: ControlPlane, clock: Clock) -> list[Coroutine[Any, Any, None]]:
    """Every job of the process, each started again when it fails."""
    return [keep_running(name, job, clock) for name, job in plane.jobs]


async def _controllers(config: Config, pki: Pki, api: ApiServer, clock: Clock, queues: QueueMetrics) -> None:
    """Imported in a thread, after the API listens: it is back sooner, and answers meanwhile."""

    def load() -> tuple[AnyController, ...]:
        from wherry.controllers.registry import controllers
        from wherry.controllers.settings import Settings

        return controllers(
            Settings(
                autoscaling=queues.autoscaling,
                ca=pki.ca.certificate_pem().decode(),
                pod_network=config.pod_cidr,
                sign=Signer(pki.ca, clock).sign,
                site=partial(site_authority.issue, pki.site_ca),
                acme=_acme(config, pki, clock),
                monotonic=clock.monotonic,
                site_ca=pki.site_ca.certificate_pem().decode(),
            )
        )

    loaded = await asyncio.to_thread(load)
    client = api.client(known(CONTROLLER_MANAGER))
    await run_controllers(client, clock, loaded, queues.know, partial(_acting, api))


def _acting(api: ApiServer, controller: str) -> Client:
    from wherry.controllers.accounts import NAMESPACE, account_of

    return api.client(service_account_user(NAMESPACE, account_of(controller), "", {}), MANAGER)


def _acme(config: Config, pki: Pki, clock: Clock) -> Acme | None:
    """The ACME authority, where the configuration names one; its library is imported when it is first asked."""
    own = config.acme
    if not own.email:
        return None
    from wherry.network.acme import LETS_ENCRYPT, Account, Acme

    account = Account(own.directory or LETS_ENCRYPT, own.email, pki.acme_key, own.ca)
    return Acme(account, pki.ensure_acme_key, clock)


async def _scheduler(client: Client, clock: Clock, counts: SchedulerCounts) -> None:
    """See `_controllers`; numpy alone takes longer to import than the state to load."""

    def load() -> type[Scheduler]:
        from wherry.scheduler import loop

        return loop.Scheduler

    loaded = await asyncio.to_thread(load)
    await loaded(client, clock, SystemRandom(), counts).run()


def _user(name: str) -> User:
    return known(f"system:{name}", MASTERS)
