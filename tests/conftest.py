"""For all tests: no event loop may be made behind a test's back, since nobody would close it."""

import asyncio


def pytest_configure() -> None:
    """A set (if empty) loop keeps `get_event_loop()`, which the looptime plugin calls, from making one."""
    asyncio.set_event_loop(None)
