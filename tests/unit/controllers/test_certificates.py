"""Trust bundles that are published, certificate requests that are cleaned away."""

from __future__ import annotations

from tests.support.view import NOW, FakeView
from wherry.api.certificates.clustertrustbundle import CLUSTERTRUSTBUNDLE
from wherry.api.certificates.podcertificaterequest import PODCERTIFICATEREQUEST
from wherry.api.types.certificates import (
    ClusterTrustBundle,
    ClusterTrustBundleSpec,
    PodCertificateRequest,
)
from wherry.controllers import clustertrustbundle, podcertificatecleaner
from wherry.controllers.settings import Settings
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import time_at
from wherry.reconcile.actions import Requeue

OTHER = ClusterTrustBundle(metadata=ObjectMeta(name="other", uid="o"), spec=ClusterTrustBundleSpec(trust_bundle="x"))


def test_the_authority_is_published_and_an_old_one_taken_back() -> None:
    old = ClusterTrustBundle(
        metadata=ObjectMeta(name="kubernetes.io:kube-apiserver-serving:old", uid="u"),
        spec=ClusterTrustBundleSpec(signer_name=clustertrustbundle.SIGNER, trust_bundle="old"),
    )
    view = FakeView().put(CLUSTERTRUSTBUNDLE, old, OTHER)
    controller = clustertrustbundle.controller(Settings(ca="new"))
    assert view.settle(controller.plan, Key("", clustertrustbundle.SIGNER)) == 1
    found = {b.metadata.name: b.spec for b in view.list(CLUSTERTRUSTBUNDLE)}
    name = "kubernetes.io:kube-apiserver-serving:11507a0e2f5e69d5dfa40a62"
    assert found == {"other": OTHER.spec, name: ClusterTrustBundleSpec(clustertrustbundle.SIGNER, "new")}


def test_a_changed_bundle_is_put_right() -> None:
    controller = clustertrustbundle.controller(Settings(ca="new"))
    view = FakeView()
    view.settle(controller.plan, Key("", clustertrustbundle.SIGNER))
    (made,) = view.list(CLUSTERTRUSTBUNDLE)
    view.put(CLUSTERTRUSTBUNDLE, ClusterTrustBundle(metadata=made.metadata, spec=OTHER.spec))
    view.settle(controller.plan, Key("", clustertrustbundle.SIGNER))
    assert view.list(CLUSTERTRUSTBUNDLE)[0].spec == made.spec


def test_only_bundles_of_the_signer_wake_it() -> None:
    assert list(clustertrustbundle._ours(FakeView(), OTHER)) == []


KEY = Key("default", "r")


def test_a_request_of_a_pod_goes_after_a_quarter_of_an_hour() -> None:
    meta = ObjectMeta(name="r", namespace="default", uid="r", creation_timestamp=time_at(NOW))
    view = FakeView(now=NOW + 899).put(PODCERTIFICATEREQUEST, PodCertificateRequest(metadata=meta))
    assert list(podcertificatecleaner.plan(view, KEY)) == [Requeue(1.0, "it is of no use by then")]
    view.now += 1
    view.settle(podcertificatecleaner.plan, KEY)
    assert view.list(PODCERTIFICATEREQUEST) == ()
