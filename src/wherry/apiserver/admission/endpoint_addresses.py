"""EndpointAddresses: nobody draws traffic to a pod of another namespace by writing its address into endpoints.

Who may write Endpoints or EndpointSlices in one namespace could reach, through a Service there, pods that the policies
of their own namespace close to others (CVE-2021-25740, which upstream leaves to its administrators). New addresses of
pods elsewhere are refused; the addresses that the server's own controllers write are not looked at, nor are those of
pods on the host network, which are their node's. Beyond upstream's default, like DenyServiceExternalIPs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wherry.api.core.pod import POD
from wherry.api.types.core import Endpoints
from wherry.api.types.discovery import EndpointSlice
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

Written = Endpoints | EndpointSlice
_OVER = ("Succeeded", "Failed")


def _check(api: Api, ctx: Context[Written], new: Written, old: Written | None) -> None:
    if ctx.inside:
        return
    before = {address for _, address in _addresses(old)} if old is not None else set()
    added = {address: path for path, address in _addresses(new) if address not in before}
    if not added:
        return
    marks = {address: f'"{address}"'.encode() for address in added}
    for entry in api.window(POD).list("").items:
        if entry.namespace == ctx.namespace:
            continue
        named = [address for address, mark in marks.items() if mark in entry.data]  # most: not worth decoding
        if not named:
            continue
        spec, status = entry.obj.spec, entry.obj.status
        held = {status.pod_ip, *(one.ip for one in status.pod_ips)}
        for address in named:
            if address in held and not spec.host_network and status.phase not in _OVER:
                raise forbidden(ctx, f"{added[address]}: {address} is the address of a pod in another namespace")


def _addresses(written: Written) -> Iterator[tuple[str, str]]:
    """(field path, address)."""
    if isinstance(written, EndpointSlice):
        for index, endpoint in enumerate(written.endpoints):
            yield from ((f"endpoints[{index}].addresses[{n}]", one) for n, one in enumerate(endpoint.addresses))
        return
    for index, subset in enumerate(written.subsets):
        for word, listed in (("addresses", subset.addresses), ("notReadyAddresses", subset.not_ready_addresses)):
            yield from ((f"subsets[{index}].{word}[{n}].ip", one.ip) for n, one in enumerate(listed))


PLUGIN = Plugin(
    "EndpointAddresses", validate=_check, resources=frozenset({"endpoints", "endpointslices.discovery.k8s.io"})
)
