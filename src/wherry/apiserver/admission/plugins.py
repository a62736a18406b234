"""ADMISSION: the plugins that run, in order."""

from __future__ import annotations

from wherry.apiserver.admission.plugin import Plugin

ADMISSION: tuple[Plugin, ...] = ()
