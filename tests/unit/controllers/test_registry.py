"""The list of controllers is complete and consistent."""

from __future__ import annotations

import pkgutil

import wherry.controllers
from wherry.controllers.registry import controllers
from wherry.controllers.settings import Settings
from wherry.reconcile.controller import AsyncController, Controller, resources_of

ALL = controllers(Settings(ca="PEM"))


def test_names_are_unique() -> None:
    names = [controller.name for controller in ALL]
    assert len(names) == len(set(names))


def test_every_module_that_declares_one_is_listed() -> None:
    declared = set()
    for found in pkgutil.iter_modules(wherry.controllers.__path__, "wherry.controllers."):
        module = __import__(found.name, fromlist=["*"])
        own = [v for v in vars(module).values() if isinstance(v, (Controller, AsyncController))]
        declared |= {controller.name for controller in own}
        if callable(make := getattr(module, "controller", None)):
            declared.add(make(Settings()).name)
        assert module.__doc__
    assert declared == {controller.name for controller in ALL}


def test_everything_watched_can_be_watched() -> None:
    for controller in ALL:
        for resource in resources_of(controller):
            assert {"list", "watch"} <= set(resource.verbs), (controller.name, str(resource))
