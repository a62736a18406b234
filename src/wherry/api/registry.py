"""RESOURCES: every built-in kind this server serves, in discovery order. Adding a kind = one line here."""

from __future__ import annotations

from typing import Any

from wherry.api.admissionregistration.mutatingadmissionpolicy import MUTATINGADMISSIONPOLICY
from wherry.api.admissionregistration.mutatingadmissionpolicybinding import MUTATINGADMISSIONPOLICYBINDING
from wherry.api.admissionregistration.mutatingwebhookconfiguration import MUTATINGWEBHOOKCONFIGURATION
from wherry.api.admissionregistration.validatingadmissionpolicy import VALIDATINGADMISSIONPOLICY
from wherry.api.admissionregistration.validatingadmissionpolicybinding import VALIDATINGADMISSIONPOLICYBINDING
from wherry.api.admissionregistration.validatingwebhookconfiguration import VALIDATINGWEBHOOKCONFIGURATION
from wherry.api.apiextensions.customresourcedefinition import CUSTOMRESOURCEDEFINITION
from wherry.api.apiregistration.apiservice import APISERVICE
from wherry.api.apps.controllerrevision import CONTROLLERREVISION
from wherry.api.apps.daemonset import DAEMONSET
from wherry.api.apps.deployment import DEPLOYMENT
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.apps.statefulset import STATEFULSET
from wherry.api.authentication.selfsubjectreview import SELFSUBJECTREVIEW
from wherry.api.authentication.tokenreview import TOKENREVIEW
from wherry.api.authorization.localsubjectaccessreview import LOCALSUBJECTACCESSREVIEW
from wherry.api.authorization.selfsubjectaccessreview import SELFSUBJECTACCESSREVIEW
from wherry.api.authorization.selfsubjectrulesreview import SELFSUBJECTRULESREVIEW
from wherry.api.authorization.subjectaccessreview import SUBJECTACCESSREVIEW
from wherry.api.autoscaling.horizontalpodautoscaler import HORIZONTALPODAUTOSCALER
from wherry.api.autoscaling.horizontalpodautoscaler_v1 import HORIZONTALPODAUTOSCALER_V1
from wherry.api.batch.cronjob import CRONJOB
from wherry.api.batch.job import JOB
from wherry.api.certificates.certificatesigningrequest import CERTIFICATESIGNINGREQUEST
from wherry.api.certificates.clustertrustbundle import CLUSTERTRUSTBUNDLE
from wherry.api.certificates.podcertificaterequest import PODCERTIFICATEREQUEST
from wherry.api.coordination.lease import LEASE
from wherry.api.core.binding import BINDING
from wherry.api.core.componentstatus import COMPONENTSTATUS
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.endpoints import ENDPOINTS
from wherry.api.core.event import EVENT
from wherry.api.core.limitrange import LIMITRANGE
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD
from wherry.api.core.podtemplate import PODTEMPLATE
from wherry.api.core.replicationcontroller import REPLICATIONCONTROLLER
from wherry.api.core.resourcequota import RESOURCEQUOTA
from wherry.api.core.secret import SECRET
from wherry.api.core.service import SERVICE
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.events.event import EVENT as NEWEVENT
from wherry.api.flowcontrol.flowschema import FLOWSCHEMA
from wherry.api.flowcontrol.prioritylevelconfiguration import PRIORITYLEVELCONFIGURATION
from wherry.api.networking.ingress import INGRESS
from wherry.api.networking.ingressclass import INGRESSCLASS
from wherry.api.networking.ipaddress import IPADDRESS
from wherry.api.networking.networkpolicy import NETWORKPOLICY
from wherry.api.networking.servicecidr import SERVICECIDR
from wherry.api.node.runtimeclass import RUNTIMECLASS
from wherry.api.policy.poddisruptionbudget import PODDISRUPTIONBUDGET
from wherry.api.rbac.clusterrole import CLUSTERROLE
from wherry.api.rbac.clusterrolebinding import CLUSTERROLEBINDING
from wherry.api.rbac.role import ROLE
from wherry.api.rbac.rolebinding import ROLEBINDING
from wherry.api.resource.deviceclass import DEVICECLASS
from wherry.api.resource.devicetaintrule import DEVICETAINTRULE
from wherry.api.resource.resourceclaim import RESOURCECLAIM
from wherry.api.resource.resourceclaimtemplate import RESOURCECLAIMTEMPLATE
from wherry.api.resource.resourceslice import RESOURCESLICE
from wherry.api.scheduling.priorityclass import PRIORITYCLASS
from wherry.api.storage.csidriver import CSIDRIVER
from wherry.api.storage.csinode import CSINODE
from wherry.api.storage.csistoragecapacity import CSISTORAGECAPACITY
from wherry.api.storage.storageclass import STORAGECLASS
from wherry.api.storage.volumeattachment import VOLUMEATTACHMENT
from wherry.api.storage.volumeattributesclass import VOLUMEATTRIBUTESCLASS
from wherry.api.storagemigration.storageversionmigration import STORAGEVERSIONMIGRATION
from wherry.machinery.resource import Resource

RESOURCES: tuple[Resource[Any], ...] = (
    BINDING,
    COMPONENTSTATUS,
    CONFIGMAP,
    ENDPOINTS,
    EVENT,
    LIMITRANGE,
    NAMESPACE,
    NODE,
    PERSISTENTVOLUME,
    PERSISTENTVOLUMECLAIM,
    POD,
    PODTEMPLATE,
    REPLICATIONCONTROLLER,
    RESOURCEQUOTA,
    SECRET,
    SERVICE,
    SERVICEACCOUNT,
    CONTROLLERREVISION,
    DAEMONSET,
    DEPLOYMENT,
    REPLICASET,
    STATEFULSET,
    CRONJOB,
    JOB,
    HORIZONTALPODAUTOSCALER,
    HORIZONTALPODAUTOSCALER_V1,
    INGRESS,
    INGRESSCLASS,
    IPADDRESS,
    NETWORKPOLICY,
    SERVICECIDR,
    PODDISRUPTIONBUDGET,
    CLUSTERROLE,
    CLUSTERROLEBINDING,
    ROLE,
    ROLEBINDING,
    CSIDRIVER,
    CSINODE,
    CSISTORAGECAPACITY,
    STORAGECLASS,
    VOLUMEATTACHMENT,
    VOLUMEATTRIBUTESCLASS,
    PRIORITYCLASS,
    LEASE,
    ENDPOINTSLICE,
    NEWEVENT,
    RUNTIMECLASS,
    SELFSUBJECTREVIEW,
    TOKENREVIEW,
    LOCALSUBJECTACCESSREVIEW,
    SELFSUBJECTACCESSREVIEW,
    SELFSUBJECTRULESREVIEW,
    SUBJECTACCESSREVIEW,
    CERTIFICATESIGNINGREQUEST,
    CLUSTERTRUSTBUNDLE,
    PODCERTIFICATEREQUEST,
    MUTATINGADMISSIONPOLICY,
    MUTATINGADMISSIONPOLICYBINDING,
    MUTATINGWEBHOOKCONFIGURATION,
    VALIDATINGADMISSIONPOLICY,
    VALIDATINGADMISSIONPOLICYBINDING,
    VALIDATINGWEBHOOKCONFIGURATION,
    CUSTOMRESOURCEDEFINITION,
    APISERVICE,
    FLOWSCHEMA,
    PRIORITYLEVELCONFIGURATION,
    DEVICECLASS,
    DEVICETAINTRULE,
    RESOURCECLAIM,
    RESOURCECLAIMTEMPLATE,
    RESOURCESLICE,
    STORAGEVERSIONMIGRATION,
)
