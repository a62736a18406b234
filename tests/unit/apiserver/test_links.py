"""Links of proxied pages."""

from __future__ import annotations

import pytest

from wherry.apiserver.subresources.links import moved, rewritten

PREFIX = "/api/v1/namespaces/d/pods/p/proxy"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/x", f"{PREFIX}/x"),
        ("/x/?a=1#b", f"{PREFIX}/x/?a=1#b"),
        ("/", f"{PREFIX}/"),
        ("http://10.0.0.1:80/x", f"{PREFIX}/x"),
        ("http://elsewhere/x", "http://elsewhere/x"),
        ("relative", "relative"),
        (f"{PREFIX}/x", f"{PREFIX}/x"),
        ("http://[broken/x", "http://[broken/x"),
        ("", ""),
    ],
)
def test_urls(url: str, expected: str) -> None:
    assert moved(url, PREFIX, "10.0.0.1") == expected


def test_pages() -> None:
    page = b"""<html>
<A HREF="/x">/x</A><img src=/y alt="/z"><!-- <a href="/c"> --><script src='/s'>"<a href=\\"/n\\">"</script>"""
    expected = page.replace(b'"/x"', f'"{PREFIX}/x"'.encode()).replace(b"=/y", f"={PREFIX}/y".encode())
    assert rewritten(page, PREFIX, "10.0.0.1") == expected.replace(b"'/s'", f"'{PREFIX}/s'".encode())
    assert rewritten(b'<a href="/x"', PREFIX, "h") == b'<a href="/x"'
