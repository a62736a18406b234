"""HOOKS: every concern of a pod, in the order in which they prepare and contribute; they clear in reverse."""

from __future__ import annotations

from wherry.node.hooks.environment import Environment
from wherry.node.hooks.hook import Hook
from wherry.node.hooks.identity import Identity
from wherry.node.hooks.network import Network
from wherry.node.hooks.resources import Limits
from wherry.node.hooks.security import Privileges
from wherry.node.hooks.volumes import Volumes

# Environment before Volumes: subPathExpr refers to variables.
HOOKS: tuple[Hook, ...] = (Identity(), Limits(), Environment(), Volumes(), Network(), Privileges())
