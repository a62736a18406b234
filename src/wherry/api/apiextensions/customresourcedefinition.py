"""apiextensions.k8s.io/v1 CustomResourceDefinition: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.apiextensions import CustomResourceDefinition

CUSTOMRESOURCEDEFINITION = declare(CustomResourceDefinition)
