"""For all tests: no event loop may be made behind a test's back, since nobody would close it; and no example of a
property is judged by how long it took, unless its test says so: a machine may be busy."""

import asyncio

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure() -> None:
    """A set (if empty) loop keeps `get_event_loop()`, which the looptime plugin calls, from making one."""
    asyncio.set_event_loop(None)
