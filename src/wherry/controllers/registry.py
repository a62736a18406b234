"""CONTROLLERS and CONFIGURED: every controller of the cluster. Adding one = one line here."""

from __future__ import annotations

from collections.abc import Callable

from wherry.controllers import (
    acmecertificate,
    attachdetach,
    bootstrapsigner,
    certificates,
    clustertrustbundle,
    cronjob,
    daemonset,
    deployment,
    disruption,
    endpoints,
    endpointslice,
    endpointslicemirroring,
    ephemeralvolume,
    garbagecollector,
    gateway,
    gatewaybundle,
    gatewayclass,
    horizontalpodautoscaler,
    httproute,
    ingress,
    job,
    loadbalancer,
    localprovisioner,
    namespace,
    nodeipam,
    nodelifecycle,
    persistentvolume,
    persistentvolumeclaim,
    podcertificatecleaner,
    podgc,
    protection,
    replicaset,
    replicationcontroller,
    resourceclaim,
    resourcequota,
    rootca,
    serviceaccount,
    serviceaddress,
    servicecidr,
    sitecertificate,
    statefulset,
    storageversionmigration,
    tainteviction,
    tokencleaner,
)
from wherry.controllers.settings import Settings
from wherry.reconcile.controller import AnyController

CONTROLLERS: tuple[AnyController, ...] = (
    replicaset.CONTROLLER,
    deployment.CONTROLLER,
    statefulset.CONTROLLER,
    daemonset.CONTROLLER,
    job.CONTROLLER,
    cronjob.CONTROLLER,
    serviceaccount.CONTROLLER,
    endpointslice.CONTROLLER,
    endpoints.CONTROLLER,
    endpointslicemirroring.CONTROLLER,
    replicationcontroller.CONTROLLER,
    disruption.CONTROLLER,
    ephemeralvolume.CONTROLLER,
    attachdetach.CONTROLLER,
    persistentvolumeclaim.CONTROLLER,
    persistentvolume.CONTROLLER,
    protection.CLAIMS,
    protection.VOLUMES,
    protection.CLASSES,
    localprovisioner.DEFAULTS,
    localprovisioner.PROVISION,
    localprovisioner.RECLAIM,
    tainteviction.CONTROLLER,
    tokencleaner.CONTROLLER,
    bootstrapsigner.CONTROLLER,
    ingress.CONTROLLER,
    ingress.DEFAULT,
    gatewayclass.CONTROLLER,
    gateway.CONTROLLER,
    httproute.CONTROLLER,
    certificates.APPROVING,
    certificates.CLEANING,
    serviceaddress.CONTROLLER,
    servicecidr.CONTROLLER,
    resourceclaim.PODS,
    resourceclaim.CLAIMS,
    podcertificatecleaner.CONTROLLER,
)
"""Those that need to be told nothing."""

CONFIGURED: tuple[Callable[[Settings], AnyController], ...] = (
    rootca.controller,
    namespace.controller,
    garbagecollector.controller,
    nodeipam.controller,
    nodelifecycle.controller,
    podgc.controller,
    resourcequota.controller,
    loadbalancer.controller,
    certificates.controller,
    clustertrustbundle.controller,
    storageversionmigration.controller,
    horizontalpodautoscaler.controller,
    sitecertificate.controller,
    acmecertificate.controller,
    gatewaybundle.controller,
)
"""Those that depend on the cluster's settings."""


def controllers(settings: Settings) -> tuple[AnyController, ...]:
    """All of them, ready for `reconcile.runner.run_controllers`."""
    return (*CONTROLLERS, *(make(settings) for make in CONFIGURED))
