"""The versions of reviews that webhooks name: of admission, and of conversion between versions of custom resources.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
"""

from __future__ import annotations

from collections.abc import Sequence

from wherry.api.checks import Errors, named
from wherry.machinery.names import dns_1035_label
from wherry.machinery.validation import invalid, required

REVIEW_VERSIONS = ("v1", "v1beta1")


def check_review_versions(path: str, versions: Sequence[str], *, known: bool, missing: str = "") -> Errors:
    """Names, each once; with `known` one of them such that the server speaks it. `missing`: said of none."""
    if not versions:
        yield required(path, missing)
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield invalid(f"{path}[{index}]", version, "duplicate version")
        else:
            yield from named(f"{path}[{index}]", version, dns_1035_label)
    if known and not set(versions) & set(REVIEW_VERSIONS):
        yield invalid(path, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}")
