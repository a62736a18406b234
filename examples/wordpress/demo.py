"""The running example from nothing to a page: start the cluster, build the images, deploy, wait, print the address.

`python examples/wordpress/demo.py`: every step is named and timed; what is already there is left as it is, so a second
run is quick. Needs root, and the programs that `make demo` installs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
WHERRY = str(Path(sys.executable).with_name("wherry"))
NAMESPACE = "production"
PORT = 30080
DEADLINE_SECONDS = 300


class DemoError(Exception):
    """A step that did not work; the message says what was seen."""


def run(*argv: str, quiet: bool = True) -> str:
    """Run a program to its end and return its output. Raises DemoError with what it said."""
    done = subprocess.run(argv, capture_output=quiet, text=True, check=False)
    if done.returncode:
        raise DemoError(f"`{' '.join(argv)}` failed:\n{(done.stderr or done.stdout or '').strip()}")
    return done.stdout or ""


def step(name: str, work: Callable[[], str]) -> None:
    """Do one step and print its name, time and outcome."""
    started = time.perf_counter()
    if sys.stdout.isatty():
        sys.stdout.write(f"  {name} ...")
        sys.stdout.flush()
    outcome = work()
    sys.stdout.write(
        f"{chr(13) if sys.stdout.isatty() else ''}  {name:<16} {time.perf_counter() - started:6.1f} s  {outcome}\n"
    )
    sys.stdout.flush()


def images() -> str:
    """Build and load the images that the cluster does not hold yet."""
    held = run(WHERRY, "image", "list", "-o", "json")
    missing = [name for name in ("web", "database") if f"localhost/wordpress-{name}:1" not in held]
    for name in missing:
        run("env", f"WHERRY={WHERRY}", str(HERE / "images" / "build.sh"), name)
    return f"built {', '.join(missing)}" if missing else "already there"


def deploy() -> str:
    """Apply the manifests unless the cluster has them: `apply` calls more "configured" than it changes."""
    same = subprocess.run([WHERRY, "kubectl", "diff", "-k", str(HERE / "base")], capture_output=True, check=False)
    if same.returncode == 0:
        return "unchanged"
    out = run(WHERRY, "kubectl", "apply", "-k", str(HERE / "base"))
    changed = [line for line in out.splitlines() if not line.endswith("unchanged")]
    return f"{len(changed)} objects written" if changed else "unchanged"


def rollout(kind: str, name: str) -> str:
    """Wait until a workload is as it should be; when it never is, say what the cluster says."""
    try:
        run(WHERRY, "kubectl", "-n", NAMESPACE, "rollout", "status", f"{kind}/{name}", f"--timeout={DEADLINE_SECONDS}s")
    except DemoError as error:
        pods = run(WHERRY, "kubectl", "-n", NAMESPACE, "get", "pods", "-o", "wide")
        events = run(WHERRY, "kubectl", "-n", NAMESPACE, "get", "events")
        causes = subprocess.run([WHERRY, "status"], capture_output=True, text=True, check=False).stdout
        raise DemoError(f"{error}\n{pods}\n{events}\n{causes}") from None
    return "ready"


def installed() -> str:
    """Wait until the site has been set up."""
    run(WHERRY, "kubectl", "-n", NAMESPACE, "wait", "job/install", "--for=condition=complete", "--timeout=300s")
    return "complete"


def address() -> str:
    """An address of this cluster's first node."""
    nodes = json.loads(run(WHERRY, "kubectl", "get", "nodes", "-o", "json"))
    found = [a["address"] for node in nodes["items"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
    return str(found[0])


def answers(url: str) -> str:
    """Wait until the site's own page comes."""
    title = "A site on wherry"
    until = time.monotonic() + 60
    seen = "nothing"
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                page = answer.read().decode("utf-8", "replace")
            if title in page:
                return f"{len(page)} bytes"
            seen = page[:200]
        except (urllib.error.URLError, OSError) as error:
            seen = str(error)
        time.sleep(0.5)
    raise DemoError(f"{url} does not answer with the site's page; last seen: {seen}")


def main() -> int:
    """Run every step; 1 when one failed."""
    try:
        step("cluster", lambda: run(WHERRY, "up").strip().splitlines()[-1])
        step("images", images)
        step("manifests", deploy)
        step("database", lambda: rollout("statefulset", "database"))
        step("web servers", lambda: rollout("deployment", "web"))
        step("site set-up", installed)
        url = f"http://{address()}:{PORT}/"
        step("first page", lambda: answers(url))
    except DemoError as error:
        sys.stdout.write("\n")
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(
        f"\nThe site answers at {url}\n\nTry next:\n"
        f"  curl {url}\n"
        "  wherry status\n"
        f"  wherry kubectl -n {NAMESPACE} get pods -o wide\n"
        f"  wherry kubectl -n {NAMESPACE} logs -f deployment/web\n"
        f"  wherry kubectl -n {NAMESPACE} rollout restart deployment/web\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
