"""Quantity: amounts with suffixes (100m, 1.5, 2Gi, 3e3), exact and in Kubernetes' canonical form.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations


class Quantity(str):
    """A canonical quantity; compare and add through `amount` and `total`."""

    __slots__ = ()


def parse_quantity(value: str | float) -> Quantity:
    """Read a quantity into its canonical form. Raises ValueError."""
    raise NotImplementedError(value)
