"""What the Ingresses want in the Secret of a site's certificate. Shared by the two controllers that fill it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.secret import SECRET
from wherry.api.networking.ingress import INGRESS
from wherry.api.networking.ingressclass import INGRESSCLASS, served
from wherry.api.networking.site_certificates import TLS, age, all_hosts, hosts, public, secrets_of, wish
from wherry.api.types.core import Secret
from wherry.api.types.networking import Ingress, IngressClass
from wherry.machinery.meta import Key, key_of
from wherry.reconcile.controller import Watch
from wherry.reconcile.view import Index, View

BY_SECRET = Index(INGRESS, lambda ingress: [str(key) for key in secrets_of(ingress)])
_LONGEST = 100
_SHOWN = 3
"""Names that Events show: what else they say must fit into 1,024 characters, too."""
BY_HOST = Index(INGRESS, all_hosts)


@dataclass(frozen=True, slots=True)
class Wanted:
    """`names`, sorted; `ingresses` that want them, oldest first. `acme`: whether ACME can and may vouch for them;
    `public`: whether a public authority could. `taken`: the first of them that an older Ingress of another namespace
    has, with that: nobody gets a certificate for somebody else's host."""

    names: tuple[str, ...]
    ingresses: tuple[Ingress, ...]
    acme: bool
    public: bool
    taken: tuple[str, Key] | None = None

    @property
    def told(self) -> str:
        """The names as Events show them."""
        more = len(self.names) - _SHOWN
        return ", ".join(name[:_LONGEST] for name in self.names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def wanted(view: View, key: Key, *, acme: bool) -> Wanted | None:
    """What belongs into this Secret; None when it is no business of ours. `acme`: whether ACME is in use at all."""
    found = view.indexed(BY_SECRET, str(key))
    if not found:
        return None
    classes = {one.metadata.name: one for one in view.list(INGRESSCLASS)}
    ours = [one for one in found if served(one, classes) and one.metadata.deletion_timestamp is None]
    ours.sort(key=age)
    names = sorted(frozenset[str]().union(*(hosts(one, key.name) for one in ours)))
    wishes = [said for said in map(wish, ours) if said]
    space = view.get(NAMESPACE, Key("", key.namespace))
    if not names or "none" in wishes or space is None or space.metadata.deletion_timestamp is not None:
        return None
    asked = (wishes[0] if wishes else "acme") == "acme" and all(map(public, names))
    return Wanted(tuple(names), tuple(ours), acme and asked, asked, _taken(view, key.namespace, names, classes))


def _taken(
    view: View, namespace: str, names: Iterable[str], classes: Mapping[str, IngressClass]
) -> tuple[str, Key] | None:  # fmt: skip
    for name in names:
        claims = [one for one in view.indexed(BY_HOST, name) if served(one, classes)]
        first = min(claims, key=age)
        if first.metadata.namespace != namespace:
            return name, key_of(first)
    return None


def _of_ingress(view: View, ingress: Ingress) -> Iterator[Key]:
    """Those of others with the same hosts, too: one of them may have it now."""
    yield from secrets_of(ingress)
    for name in all_hosts(ingress):
        for other in view.indexed(BY_HOST, name):
            if other.metadata.namespace != ingress.metadata.namespace:
                yield from secrets_of(other)


def _of_class(view: View, cls: IngressClass) -> Iterator[Key]:
    for ingress in view.list(INGRESS):
        yield from secrets_of(ingress)


def _itself(view: View, secret: Secret) -> Iterator[Key]:
    if secret.type == TLS:
        yield Key(secret.metadata.namespace, secret.metadata.name)


WATCHES = (Watch(INGRESS, _of_ingress), Watch(INGRESSCLASS, _of_class), Watch(SECRET, _itself))
