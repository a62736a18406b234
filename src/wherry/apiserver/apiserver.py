"""ApiServer: puts the parts together over one log, serves HTTPS, and hands out in-process clients.

server = ApiServer(ApiServerConfig(...), log, clock)
await server.start()          # listens; server.port
client = server.client(User("system:kube-scheduler", ...))
await server.stop()
"""

from __future__ import annotations

import asyncio
import contextlib
import random  # noqa: TID251 - SystemRandom is passed on from here
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from wherry.aio.clock import Clock
from wherry.aio.supervise import keep_running
from wherry.api.admissionregistration.mutatingadmissionpolicy import MUTATINGADMISSIONPOLICY
from wherry.api.admissionregistration.mutatingadmissionpolicybinding import MUTATINGADMISSIONPOLICYBINDING
from wherry.api.admissionregistration.mutatingwebhookconfiguration import MUTATINGWEBHOOKCONFIGURATION as MUTATING
from wherry.api.admissionregistration.validatingadmissionpolicy import VALIDATINGADMISSIONPOLICY
from wherry.api.admissionregistration.validatingadmissionpolicybinding import VALIDATINGADMISSIONPOLICYBINDING
from wherry.api.admissionregistration.validatingwebhookconfiguration import (
    VALIDATINGWEBHOOKCONFIGURATION as VALIDATING,
)
from wherry.api.core.node import NODE
from wherry.api.metrics.usage import COMPUTED
from wherry.api.registry import RESOURCES
from wherry.api.types.core import Node
from wherry.apiserver.admission.chain import Chain
from wherry.apiserver.admission.event_buckets import DEFAULT, Buckets, Limit
from wherry.apiserver.admission.in_flight import InFlight
from wherry.apiserver.admission.plugins import ADMISSION
from wherry.apiserver.admission.podsecurity.policy import Settings as PodSecurity
from wherry.apiserver.admission.policies.table import PolicyTable, PolicyTables, load_mutating, load_validating
from wherry.apiserver.admission.policies.typechecking import keep_type_checked
from wherry.apiserver.aggregation.availability import Availability
from wherry.apiserver.aggregation.registration import keep_registered
from wherry.apiserver.aggregation.remotes import FrontProxy, Remotes
from wherry.apiserver.aggregation.trust import keep_published
from wherry.apiserver.allocators import Allocators
from wherry.apiserver.api import Api
from wherry.apiserver.at_once import AtOnce
from wherry.apiserver.audit.file import AuditFile
from wherry.apiserver.audit.settings import AuditSettings, Jobs
from wherry.apiserver.authn.authenticator import Anonymous, Authenticator
from wherry.apiserver.authn.bearer import Bearers, Source
from wherry.apiserver.authn.bootstraptokens import BootstrapTokens
from wherry.apiserver.authn.legacy import keep_legacy_tokens
from wherry.apiserver.authn.removed_nodes import keep_out
from wherry.apiserver.authn.requestheader import RequestHeader, check
from wherry.apiserver.authn.tokens import Tokens
from wherry.apiserver.authn.user import MASTERS, User, known
from wherry.apiserver.authz.aggregation import keep_aggregated
from wherry.apiserver.authz.authorizer import Authorizer
from wherry.apiserver.authz.node import NodeRights
from wherry.apiserver.authz.rbac import Rbac
from wherry.apiserver.authz.webhook import WebhookAuthorizer
from wherry.apiserver.bootstrap import bootstrap
from wherry.apiserver.connections import never
from wherry.apiserver.crd.definitions import Definitions, decode_entry
from wherry.apiserver.crd.keeper import keep_definitions
from wherry.apiserver.crd.keeper import load as load_definitions
from wherry.apiserver.events import forget_events
from wherry.apiserver.flowcontrol.gate import SEATS, FlowControl
from wherry.apiserver.flowcontrol.keeper import keep
from wherry.apiserver.health import Check, Health
from wherry.apiserver.inprocess import InProcessClient
from wherry.apiserver.measures import Measures, build_info, shown, store_families
from wherry.apiserver.metering.usage import ResourceMetrics
from wherry.apiserver.nonresource import NonResource
from wherry.apiserver.pipeline import Pipeline
from wherry.apiserver.served import Served
from wherry.apiserver.server import Server, server_context
from wherry.apiserver.service_endpoint import resolve
from wherry.apiserver.subresources.agents import Agents
from wherry.apiserver.tracing import Tell
from wherry.apiserver.views import VIEWS
from wherry.apiserver.webhooks.client import WebhookClient
from wherry.apiserver.webhooks.table import Table, Tables
from wherry.client.interface import Client
from wherry.machinery.metrics import Family, Labels
from wherry.store.log import Log
from wherry.store.windows import Windows

ISSUER = "https://kubernetes.default.svc.cluster.local"
VERSION = {
    "major": "1",
    "minor": "37",
    "gitVersion": "v1.37.2+wherry",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "CPython",
    "platform": "linux/amd64",
}


@dataclass(frozen=True, slots=True)
class ApiServerConfig:
    """Addresses, files and keys. Certificates are PEM files; `token_keys` are PEM files, the first one signs."""

    certificate: Path
    key: Path
    client_ca: Path
    token_keys: Sequence[Path]
    agent_certificate: Path | None = None
    """What the API server shows to node agents, and its key."""
    agent_key: Path | None = None
    front_proxy: FrontProxy | None = None
    """What the API server shows to other API servers."""
    host: str = "0.0.0.0"
    port: int = 6443
    issuers: Sequence[str] = (ISSUER,)
    """Of service account tokens: the first signs, all are believed."""
    audiences: Sequence[str] = ()
    """Whom tokens without others are for; the issuers, if empty."""
    bearers: tuple[Source, ...] = ()
    """More ways of knowing bearer tokens."""
    proxies: tuple[RequestHeader, ...] = ()
    """Who may say for whom a request is."""
    anonymous: Anonymous = field(default_factory=Anonymous)
    webhooks_before: tuple[WebhookAuthorizer, ...] = ()
    """Asked whether somebody may before this server's own rules are."""
    webhooks_after: tuple[WebhookAuthorizer, ...] = ()
    service_cidr: str = "10.96.0.0/16"
    node_ports: tuple[int, int] = (30000, 32767)
    pod_security: PodSecurity = field(default_factory=PodSecurity)
    checks: dict[str, Check] = field(default_factory=dict)
    event_limits: tuple[Limit, ...] = DEFAULT
    """How many Events clients may write."""
    audit: AuditSettings | None = None
    """None: no audit log."""
    trace: Tell | None = None
    """Is told of every request that is over."""
    version: str = VERSION["gitVersion"]
    """What the server says it is at /version."""
    seats: int = SEATS
    """How many requests of ordinary size are worked on at once; 0: no priority and fairness."""


class ApiServer:
    """One API server."""

    def __init__(self, config: ApiServerConfig, log: Log, clock: Clock) -> None:
        self._config = config
        self._log = log
        self._clock = clock
        self._api: Api | None = None
        self._definitions: Definitions | None = None
        self._server: Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._bootstrapped = self._stopping = False
        self._audit_file: AuditFile | None = None
        self._audit_jobs: Jobs = []
        self.tls: ssl.SSLContext | None = None

    @property
    def api(self) -> Api:
        """The parts; only after `start` or `open`."""
        assert self._api is not None
        return self._api

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return self._server.port

    @property
    def held(self) -> int:
        """Bytes that wait for clients to read them."""
        assert self._server is not None
        return self._server.held

    async def open(self) -> None:
        """Load the state; in-process clients work from here on."""
        config = self._config
        for proxy in config.proxies:
            check(proxy, config.client_ca)
        windows = await Windows.open(self._log, self._clock, decode=decode_entry)
        for resource in RESOURCES:
            if resource not in VIEWS:
                windows.of(resource)
        rbac = Rbac(windows)
        agents = Agents(self._node, self._agent_context)
        tokens = Tokens([path.read_bytes() for path in config.token_keys], config.issuers, config.audiences)
        self._api = Api(
            windows=windows,
            served=Served((*RESOURCES, *COMPUTED)),
            clock=self._clock,
            random=random.SystemRandom(),
            admission=Chain(ADMISSION),
            authorizer=Authorizer(rbac, NodeRights(windows, rbac), config.webhooks_before, config.webhooks_after),
            tokens=tokens,
            authenticator=Authenticator(
                config.client_ca,
                Bearers(tokens, (BootstrapTokens(), *config.bearers)),
                config.proxies,
                config.anonymous,
            ),
            allocators=Allocators(windows, config.service_cidr, config.node_ports),
            agents=agents,
            metering=ResourceMetrics(
                self._node_names, lambda name: agents.fetch(name, "/metrics/resource"), self._clock
            ),
            webhooks=WebhookClient(lambda namespace, name, port: resolve(self.api, namespace, name, port)),
            hooks=Tables(Table(windows, MUTATING), Table(windows, VALIDATING)),
            policies=PolicyTables(
                PolicyTable(windows, MUTATINGADMISSIONPOLICY, MUTATINGADMISSIONPOLICYBINDING, load_mutating),
                PolicyTable(windows, VALIDATINGADMISSIONPOLICY, VALIDATINGADMISSIONPOLICYBINDING, load_validating),
            ),
            quotas=InFlight(windows, self._clock),
            pod_security=config.pod_security,
            remotes=Remotes(windows, config.front_proxy),
            version={**VERSION, "gitVersion": config.version},
            event_buckets=Buckets(config.event_limits),
        )
        if config.audit is not None:
            opened = config.audit.open(self._clock, self._api.webhooks)
            self._api.audit, self._audit_file, self._audit_jobs = opened
        self._definitions = Definitions(self._api)
        load_definitions(self._api, self._definitions)
        await bootstrap(self.client(known("system:apiserver", MASTERS), "kube-apiserver"), self._config.service_cidr)

        self._bootstrapped = True

    def _node_names(self) -> list[str]:
        return [entry.name for entry in self.api.window(NODE).list("").items]

    def _node(self, name: str) -> Node | None:
        entry = self.api.find(NODE, "", name)
        return None if entry is None else entry.obj

    def _agent_context(self) -> ssl.SSLContext:
        """Read anew for every session, so that a renewed certificate is used at once."""
        config = self._config
        context = ssl.create_default_context(cafile=str(config.client_ca))
        if config.agent_certificate is not None and config.agent_key is not None:
            context.load_cert_chain(str(config.agent_certificate), str(config.agent_key))
        return context

    def client(self, user: User, manager: str = "") -> Client:
        """An in-process client that acts as `user`; `manager` names it in managedFields."""
        return InProcessClient(self.api, user, manager)

    async def start(self) -> None:
        """Load the state if need be, and listen. Raises OSError when the port is taken."""
        if self._api is None:
            await self.open()
        config = self._config
        self.measures = Measures(self.api.served)
        flow = FlowControl(self.api.windows, self._clock, config.seats)
        flow.follow()
        health = Health(self._checks(flow), frozenset(("shutdown", *config.checks)))
        plain = NonResource(self.api, self.measures, health)
        self.measures.collect(health.families)
        self.measures.collect(flow.families)
        self.measures.collect(self._stored)
        if self.api.audit is not None:
            self.measures.collect(self.api.audit.families)
        pipeline = Pipeline(self.api, plain, flow, self.measures, config.trace)
        self.api.serve = pipeline.serve
        at_once = AtOnce(self.api, flow, self.measures) if config.trace is None else never  # traced by the pipeline
        self._server = Server(pipeline, at_once)
        authorities = [config.client_ca, *(proxy.ca for proxy in config.proxies)]
        self.tls = server_context(str(config.certificate), str(config.key), *map(str, authorities))
        await self._server.start(config.host, config.port, self.tls)
        own = self.client(known("system:apiserver", MASTERS), "kube-apiserver")
        self._run("compaction", self.api.windows.compacting)
        self._run("removed nodes", partial(keep_out, self.api, self._server.cut))
        self._run("aggregated roles", partial(keep_aggregated, own))
        assert self._definitions is not None
        self._run("custom resources", partial(keep_definitions, self.api, self._definitions, own))
        self._run("old events", partial(forget_events, self.api))
        self._run("type checking of policies", partial(keep_type_checked, self.api, own))
        self._run("priority and fairness", partial(keep, own, self._clock))
        self._run("authentication facts", partial(keep_published, own, config.client_ca, config.proxies, self._clock))
        self._run("tokens of Secrets", partial(keep_legacy_tokens, self.api, own, config.client_ca))
        self._run("API registration", partial(keep_registered, self.api, own))
        self._run("API availability", Availability(self.api, own).run)
        for name, job in self._audit_jobs:
            self._run(name, job)

    def _stored(self) -> tuple[Family, ...]:
        windows = self.api.windows

        def counts() -> dict[Labels, float]:
            stored = (r for r in self.api.served if "list" in r.verbs and shown(r))
            return {(r.group, r.plural): float(windows.count(r.group, r.plural)) for r in stored}

        return (*store_families(lambda: windows.revision, counts), build_info(self.api.version))

    def _checks(self, flow: FlowControl) -> dict[str, Check]:
        """Named as kube-apiserver names them; `etcd` is the store. What is only done before listening is done."""

        def loaded() -> str:
            return "" if self.api.windows.revision else "nothing is loaded"

        def bootstrapped() -> str:
            return "" if self._bootstrapped else "not finished"

        return {
            "ping": lambda: "",
            "log": lambda: "",
            "etcd": self._store_check,
            "informer-sync": loaded,
            "poststarthook/generic-apiserver-start-informers": loaded,
            "poststarthook/start-apiextensions-controllers": loaded,
            "poststarthook/crd-informer-synced": loaded,
            "poststarthook/start-system-namespaces-controller": bootstrapped,
            "poststarthook/rbac/bootstrap-roles": bootstrapped,
            "poststarthook/scheduling/bootstrap-system-priority-classes": bootstrapped,
            "poststarthook/bootstrap-controller": bootstrapped,
            "poststarthook/kube-apiserver-autoregistration": loaded,
            "autoregister-completion": loaded,
            "poststarthook/priority-and-fairness-config-consumer": lambda: "" if flow.ready else "no configuration",
            "shutdown": lambda: "the server is stopping" if self._stopping else "",
            **self._config.checks,
        }

    def _store_check(self) -> str:
        return "the store takes no writes" if self.api.broken.is_set() else ""

    def _run(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        job_for_ever = keep_running(name, job, self._clock)
        self._tasks.append(asyncio.get_running_loop().create_task(job_for_ever))

    async def stop(self) -> None:
        """Stop listening and following the log, which stays open: it belongs to whoever opened it."""
        self._stopping = True
        if self._api is not None:
            self._api.windows.close()  # ends every watch, so that nobody is waited for
        if self._server is not None:
            await self._server.stop()
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._api is not None:
            await self._api.webhooks.close()
            await self._api.remotes.stop()
            await self._api.authenticator.bearers.close()
            await self._api.authorizer.close()
        if self._audit_file is not None:
            self._audit_file.close()
