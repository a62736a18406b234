"""How every built-in type merges: `type_of(Pod)` is what patches and field ownership walk objects with."""

from __future__ import annotations

from wherry.api.types.merge import MERGE
from wherry.machinery.fields import StructTypes

type_of = StructTypes(MERGE)
