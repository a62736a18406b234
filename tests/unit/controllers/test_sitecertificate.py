"""Site certificates of the cluster's own authority: issued at once, renewed in time, and only where nobody else is."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from msgspec.structs import replace

from tests.support.view import NOW, FakeView
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.secret import SECRET
from wherry.api.networking.ingress import INGRESS
from wherry.api.networking.ingressclass import CONTROLLER, INGRESSCLASS
from wherry.api.networking.site_certificates import held, public, secrets_of
from wherry.api.types.core import Namespace, Secret
from wherry.api.types.networking import (
    Ingress,
    IngressClass,
    IngressClassSpec,
    IngressRule,
    IngressSpec,
    IngressTLS,
)
from wherry.controllers import sitecertificate
from wherry.controllers.settings import Settings
from wherry.host.keys import Authority
from wherry.host.pairs import pair
from wherry.host.site_authority import issue
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import time_at
from wherry.reconcile.actions import Create, Requeue
from wherry.reconcile.controller import Controller

KEY = Key("d", "shop-tls")
DAY = 86_400.0


class World:
    """A cluster with its site authority, on the view's clock."""

    def __init__(self, folder: Path) -> None:
        meta = ObjectMeta(name="wherry")
        self.view = FakeView().put(INGRESSCLASS, IngressClass(metadata=meta, spec=IngressClassSpec(CONTROLLER)))
        self.view.put(NAMESPACE, Namespace(metadata=ObjectMeta(name="d")))
        self.authority = Authority(pair(folder, "site-ca"), "sites", self)
        self.authority.ensure()
        self.controller: Controller = sitecertificate.controller(
            Settings(site=lambda names: issue(self.authority, names))
        )

    def now(self) -> float:
        return self.view.now

    def monotonic(self) -> float:
        return self.view.now

    def settle(self) -> int:
        return self.view.settle(self.controller.plan, KEY)

    @property
    def secret(self) -> Secret:
        found = self.view.get(SECRET, KEY)
        assert found is not None
        return found

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.secret.data["tls.crt"])

    @property
    def names(self) -> set[str]:
        found = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return set(found.get_values_for_type(x509.DNSName))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def ingress(
    *hosts: str, name: str = "shop", age: int = 0, cls: str = "wherry", secret: str = "shop-tls", namespace: str = "d",
    **meta: Any,
) -> Ingress:  # fmt: skip
    spec = IngressSpec(ingress_class_name=cls, tls=(IngressTLS(hosts=hosts, secret_name=secret),))
    return Ingress(
        metadata=ObjectMeta(name=name, namespace=namespace, uid=name, creation_timestamp=time_at(NOW + age), **meta),
        spec=spec,
    )


def test_a_site_without_a_secret_gets_one(world: World) -> None:
    world.view.put(INGRESS, ingress("Shop.test", "*.shop.test"))
    (create,) = world.controller.plan(world.view, KEY)
    assert isinstance(create, Create)
    told = create.done
    assert told is not None
    assert create.failed is not None
    assert create.failed.message == "the Secret 'shop-tls' cannot be made: {error}"
    assert told.message == "the cluster's own authority vouches for *.shop.test, shop.test (Secret 'shop-tls')"
    assert world.settle() == 1
    assert (world.secret.type, world.names) == ("kubernetes.io/tls", {"shop.test", "*.shop.test"})
    world.certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(world.authority.certificate_pem()))
    assert b"PRIVATE KEY" in world.secret.data["tls.key"]
    assert [(r.kind, r.uid, r.controller) for r in world.secret.metadata.owner_references] == [
        ("Ingress", "shop", None)
    ]


def test_without_hosts_of_its_own_a_tls_entry_means_those_of_the_rules(world: World) -> None:
    one = ingress()
    world.view.put(INGRESS, replace(one, spec=replace(one.spec, rules=(IngressRule(host="a.test"), IngressRule()))))
    world.settle()
    assert world.names == {"a.test"}


def test_it_is_renewed_after_two_thirds_of_its_life(world: World) -> None:
    world.view.put(INGRESS, ingress("shop.test"))
    world.settle()
    first = world.certificate
    life = first.not_valid_after_utc - first.not_valid_before_utc
    due = (first.not_valid_before_utc + datetime.timedelta(seconds=life.total_seconds() * 2 / 3)).timestamp()
    assert list(world.controller.plan(world.view, KEY)) == [Requeue(DAY, "it will be due")]
    world.view.now = due - 10
    (wait,) = world.controller.plan(world.view, KEY)
    assert isinstance(wait, Requeue)
    assert wait.after == pytest.approx(10, abs=1)
    world.view.now = due + 1
    assert world.settle() == 1
    assert world.certificate.not_valid_after_utc > first.not_valid_after_utc


def test_a_name_more_is_a_new_certificate_and_a_name_less_is_not(world: World) -> None:
    world.view.put(INGRESS, ingress("a.test"))
    world.settle()
    world.view.put(INGRESS, ingress("b.test", name="second", age=1))
    world.settle()
    assert world.names == {"a.test", "b.test"}
    assert {r.name for r in world.secret.metadata.owner_references} == {"shop", "second"}
    before = world.secret
    world.view.put(INGRESS, ingress("a.test", name="second", age=1))
    assert world.settle() == 0
    assert world.secret == before


@pytest.mark.parametrize("data", [{"tls.crt": b"theirs", "tls.key": b"theirs"}, {}])
def test_a_secret_of_somebody_else_is_not_touched(world: World, data: dict[str, bytes]) -> None:
    theirs = Secret(metadata=ObjectMeta(name="shop-tls", namespace="d"), type="kubernetes.io/tls", data=data)
    world.view.put(SECRET, theirs).put(INGRESS, ingress("shop.test"))
    assert world.settle() == 0
    assert world.secret == theirs


@pytest.mark.parametrize("field", ["tls.crt", "tls.key"])
def test_whoever_writes_into_our_secret_makes_it_theirs(world: World, field: str) -> None:
    world.view.put(INGRESS, ingress("shop.test"))
    world.settle()
    changed = replace(world.secret, data={**world.secret.data, field: b"theirs"})
    world.view.put(SECRET, changed)
    world.view.now += 400 * DAY
    assert world.settle() == 0
    assert world.secret == changed


@pytest.mark.parametrize(
    "other",
    [
        ingress("shop.test", cls="nginx"),
        ingress("shop.test", annotations={"wherry.dev/certificate": "none"}),
        ingress("shop.test", annotations={"wherry.dev/certificate": "nonsense"}),
        ingress("shop.test", annotations={"cert-manager.io/cluster-issuer": "mine"}),
        ingress("shop.test", deletion_timestamp=time_at(NOW)),
        ingress(),
    ],
)
def test_where_it_is_not_asked_for_nothing_is_made(world: World, other: Ingress) -> None:
    world.view.put(INGRESS, other)
    assert world.settle() == 0
    assert world.view.list(SECRET) == ()


def test_nothing_is_made_in_a_namespace_that_ends(world: World) -> None:
    world.view.put(NAMESPACE, Namespace(metadata=ObjectMeta(name="d", deletion_timestamp=time_at(NOW))))
    world.view.put(INGRESS, ingress("shop.test"))
    assert world.settle() == 0


def test_many_names_fit_into_an_event(world: World) -> None:
    world.view.put(INGRESS, ingress(*(f"{n}.test" for n in range(9))))
    (create,) = world.controller.plan(world.view, KEY)
    assert isinstance(create, Create)
    assert create.done is not None
    assert "vouches for 0.test, 1.test, 2.test and 6 more (Secret" in create.done.message


def test_a_long_name_fits(world: World) -> None:
    name = f"{'a' * 60}.{'b' * 60}.test"
    world.view.put(INGRESS, ingress(name))
    world.settle()
    assert world.names == {name}


def test_a_host_of_somebody_elses_older_ingress_is_not_vouched_for(world: World) -> None:
    theirs, mine = ingress("Shop.test", name="theirs", namespace="e", cls="wherry"), ingress("shop.test", age=1)
    world.view.put(INGRESS, theirs, mine)
    assert world.settle() == 0
    assert world.view.list(SECRET) == ()
    assert world.view.emitted[0].obj == mine
    assert world.view.emitted[0].message == "no certificate: the host shop.test is that of the older Ingress e/theirs"
    (watch,) = [watch for watch in world.controller.watches if watch.resource is INGRESS]
    assert set(watch.keys(world.view, theirs)) == {Key("e", "shop-tls"), KEY}
    world.view.put(INGRESS, ingress("shop.test", name="theirs", namespace="e", age=2))  # now the younger one
    assert world.settle() == 1


def test_an_entry_without_a_secret_gets_one_for_its_ingress(world: World) -> None:
    world.view.put(INGRESS, ingress("shop.test", secret=""))
    key = Key("d", "shop-wherry-tls")
    assert world.view.settle(world.controller.plan, key) == 1
    assert world.view.get(SECRET, key) is not None
    (watch,) = [watch for watch in world.controller.watches if watch.resource is INGRESS]
    assert list(watch.keys(world.view, world.view.list(INGRESS)[0])) == [key]
    assert list(secrets_of(ingress("shop.test", secret="", annotations={"wherry.dev/certificate": "none"}))) == []
    (long,) = secrets_of(ingress("shop.test", secret="", name="x" * 253))
    assert len(long.name) == 253


def test_what_wakes_it(world: World) -> None:
    keys = {watch.resource: watch.keys for watch in world.controller.watches}
    one = ingress("shop.test")
    world.view.put(INGRESS, one)
    (cls,) = world.view.list(INGRESSCLASS)
    assert list(keys[INGRESS](world.view, one)) == list(keys[INGRESSCLASS](world.view, cls)) == [KEY]
    meta = ObjectMeta(name="shop-tls", namespace="d")
    assert list(keys[SECRET](world.view, Secret(metadata=meta, type="kubernetes.io/tls"))) == [KEY]
    assert list(keys[SECRET](world.view, Secret(metadata=meta, type="Opaque"))) == []


def test_a_mark_alone_makes_no_secret_ours(world: World) -> None:
    meta = ObjectMeta(name="s", namespace="d", annotations={"wherry.dev/issued-by": "own"})
    assert held(Secret(metadata=meta, type="kubernetes.io/tls", data={"tls.crt": b"x", "tls.key": b"y"})) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop.example.org", True),
        ("localdomain.org", True),
        ("shop", False),
        ("localhost", False),
        ("a.localhost", False),
        ("shop.test", False),
        ("shop.local", False),
        ("x.cluster.internal", False),
        ("nas.home.arpa", False),
        ("home.arpa.org", True),
        ("*.example.org", False),
        ("10.0.0.1", False),
    ],
)
def test_which_names_a_public_authority_can_vouch_for(name: str, expected: bool) -> None:
    assert public(name) is expected
