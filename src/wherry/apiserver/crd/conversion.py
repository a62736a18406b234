"""Conversion of custom resources between their versions: by name alone, or by asking the definition's webhook.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/
A webhook may change everything but an object's identity; of its metadata, only labels and annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from wherry.api.types.apiextensions import CustomResourceDefinition, WebhookConversion
from wherry.apiserver import metadata
from wherry.apiserver.crd.embedded import read_meta
from wherry.apiserver.webhooks.client import CallFailed, WebhookClient, target_of
from wherry.machinery.errors import InternalError
from wherry.machinery.validation import show

Json = dict[str, Any]
TIMEOUT_SECONDS = 30.0
_VERSIONS = ("v1", "v1beta1")


class Converter(Protocol):
    """`asks`: whether somebody else has to be asked."""

    asks: bool

    async def convert(self, objects: Sequence[Json], api_version: str) -> list[Json]:
        """The objects in another version; copies, where anything changes. Raises InternalError."""


class ByName:
    """Strategy None: only apiVersion changes."""

    asks = False

    async def convert(self, objects: Sequence[Json], api_version: str) -> list[Json]:
        """See Converter."""
        return [{**obj, "apiVersion": api_version} for obj in objects]


class ByWebhook:
    """Strategy Webhook."""

    asks = True

    def __init__(self, client: WebhookClient, webhook: WebhookConversion, uid: Callable[[], str]) -> None:
        assert webhook.client_config is not None
        self._client = client
        self._target = target_of(webhook.client_config)
        self._review = next((v for v in webhook.conversion_review_versions if v in _VERSIONS), "")
        self._uid = uid

    async def convert(self, objects: Sequence[Json], api_version: str) -> list[Json]:
        """See Converter. Objects that are in this version already are not sent."""
        asked = [obj for obj in objects if obj["apiVersion"] != api_version]
        if not asked:
            return list(objects)
        if not self._review:
            raise InternalError("no supported conversion review versions")
        group, _, version = asked[0]["apiVersion"].rpartition("/")
        about = f"conversion webhook for {group}/{version}, Kind={asked[0]['kind']}"
        answered = iter(await self._ask(about, asked, api_version))
        return [obj if obj["apiVersion"] == api_version else next(answered) for obj in objects]

    async def _ask(self, about: str, asked: Sequence[Json], api_version: str) -> list[Json]:
        uid = self._uid()
        review = {
            "kind": "ConversionReview",
            "apiVersion": f"apiextensions.k8s.io/{self._review}",
            "request": {"uid": uid, "desiredAPIVersion": api_version, "objects": asked},
        }
        try:
            answer = msgspec.json.decode(
                await self._client.post(self._target, msgspec.json.encode(review), TIMEOUT_SECONDS)
            )
        except (CallFailed, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InternalError(f"{about} failed: {error}") from None
        try:
            found = _objects(answer, uid, f"apiextensions.k8s.io/{self._review}")
        except ValueError as error:
            raise InternalError(f"{about} failed: {error}") from None
        if len(found) != len(asked):
            raise InternalError(f"{about} returned {len(found)} objects, expected {len(asked)}")
        return [_accepted(about, one, obj, api_version) for one, obj in zip(asked, found, strict=True)]


def _objects(answer: Any, uid: str, wanted: str) -> list[Any]:
    """What a ConversionReview answers with. Raises ValueError."""
    if not isinstance(answer, dict):
        raise ValueError("no response provided")  # noqa: TRY004 - it is not the caller's type that is wrong
    version, kind = answer.get("apiVersion"), answer.get("kind")
    if (version, kind) != (wanted, "ConversionReview") and wanted.endswith("/v1"):
        raise ValueError(f"expected webhook response of {wanted}, Kind=ConversionReview, got {version}, Kind={kind}")
    response = answer.get("response")
    if not isinstance(response, dict):
        raise ValueError("no response provided")  # noqa: TRY004
    if response.get("uid") != uid and wanted.endswith("/v1"):
        raise ValueError(f"expected response.uid={show(uid)}, got {show(response.get('uid') or '')}")
    result = response.get("result")
    result = result if isinstance(result, dict) else {}
    if result.get("status") != "Success":
        raise ValueError(
            result.get("message") or f"response.result.status was '{result.get('status') or ''}', not 'Success'"
        )
    objects = response.get("convertedObjects")
    return objects if isinstance(objects, list) else []


def _accepted(about: str, asked: Json, found: Any, api_version: str) -> Json:
    """A converted object with the metadata it may have. Raises InternalError."""
    bad = f"{about} returned invalid object: "
    if not isinstance(found, dict) or not isinstance(found.get("metadata"), dict):
        raise InternalError(f"{bad}missing metadata in converted object")
    if found.get("apiVersion") != api_version:
        raise InternalError(f"{bad}invalid groupVersion (expected {api_version}, received {found.get('apiVersion')})")
    before, after = asked["metadata"], found["metadata"]
    for word, one, other in (
        ("kind", asked["kind"], found.get("kind")),
        *(
            (w, before.get(n, ""), after.get(n, ""))
            for w, n in (("name", "name"), ("namespace", "namespace"), ("UID", "uid"))
        ),
    ):
        if one != other:
            raise InternalError(f"{bad}must have the same {word}: {one} != {other}")
    kept = {name: value for name, value in before.items() if name not in ("labels", "annotations")}
    for name in ("labels", "annotations"):
        if after.get(name) is not None:
            kept[name] = _texts(bad, name, after[name])
    if kept.get("labels") != before.get("labels") or kept.get("annotations") != before.get("annotations"):
        problems = list(metadata.validate_embedded(read_meta(kept)))
        if problems:
            raise InternalError(f"{bad}{problems[0].path}: {problems[0].message}")
    return {**found, "metadata": kept}


def _texts(bad: str, name: str, value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise InternalError(f"{bad}invalid metadata.{name} in converted object")
    for key, text in value.items():
        if not isinstance(text, str):
            raise InternalError(f"{bad}metadata.{name}[{key}] must be a string in converted object")
    return value


def converter_of(crd: CustomResourceDefinition, client: WebhookClient, uid: Callable[[], str]) -> Converter:
    """How a definition wants its objects converted."""
    own = crd.spec.conversion
    if own is None or own.strategy != "Webhook" or own.webhook is None or own.webhook.client_config is None:
        return ByName()
    return ByWebhook(client, own.webhook, uid)
