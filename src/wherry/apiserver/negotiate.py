"""What a client wants to read: the Accept header as one decision.

https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from wherry.apiserver.protobuf import MEDIA as PROTOBUF
from wherry.machinery.errors import NotAcceptable

Form = Literal["object", "Table", "PartialObjectMetadata", "PartialObjectMetadataList", "APIGroupDiscoveryList"]
_FORMS: tuple[Form, ...] = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList", "APIGroupDiscoveryList")
_GROUPS = {"Table": "meta.k8s.io", "APIGroupDiscoveryList": "apidiscovery.k8s.io"}
MEDIA = (
    "only the following media types are accepted: application/json, application/yaml, "
    "application/vnd.kubernetes.protobuf"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """`version` is that of the form (`v1`, `v2`); `yaml`: write YAML instead of JSON.

    `protobuf`: the client reads nothing but protobuf. Handlers answer in JSON all the same; it is converted on the way
    out (`protobuf_answers`), except what a watch tells.
    """

    form: Form = "object"
    version: str = ""
    yaml: bool = False
    protobuf: bool = False

    @property
    def plain(self) -> bool:
        """Whether handlers can answer with the stored bytes as they are."""
        return self.form == "object" and not self.yaml


PLAIN = Wanted()


@lru_cache(maxsize=256)
def negotiate(accept: str, *, whole: bool = False) -> Wanted:
    """The first thing in Accept that can be served in JSON or YAML, or else in protobuf. `whole`: there are no forms
    to choose from, as in answers that have no metadata. Raises NotAcceptable."""
    if not accept:
        return PLAIN
    protobuf = None
    for choice in accept.split(","):
        media, *params = (part.strip() for part in choice.split(";"))
        given = dict(p.partition("=")[::2] for p in params)
        wanted = _wanted(media.lower(), given)
        if wanted is None or (whole and wanted.form != "object"):
            continue
        if not wanted.protobuf:
            return wanted
        protobuf = protobuf or wanted
    if protobuf is None:
        raise NotAcceptable(MEDIA)
    return protobuf


def only_protobuf(accept: str) -> bool:
    """Whether a client reads protobuf and nothing else that is written here."""
    try:
        return negotiate(accept).protobuf
    except NotAcceptable:
        return False


def _wanted(media: str, given: dict[str, str]) -> Wanted | None:
    if media in ("*/*", "application/*"):
        return PLAIN
    yaml, protobuf = media in ("application/yaml", "text/yaml"), media == PROTOBUF
    if media != "application/json" and not yaml and not protobuf:
        return None
    name, version = given.get("as", ""), given.get("v", "")
    if not name:
        return Wanted(yaml=yaml, protobuf=protobuf)
    for form in _FORMS:
        if form == name and given.get("g", "") == _GROUPS.get(form, "meta.k8s.io") and version.startswith("v"):
            return None if protobuf and form == "Table" else Wanted(form, version, yaml, protobuf)
    return None
