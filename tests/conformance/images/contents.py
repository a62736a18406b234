"""What each image of the suite contains: Debian's programs, the suite's own programs, and what specs look for in them.

One Debian layer carries all images that need a userland, so nodes pull it once; busybox stands alone.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.conformance import suite
from tests.conformance.images.layers import (
    ARCHITECTURE,
    INDEX,
    MANIFEST,
    File,
    Folder,
    Image,
    Link,
    Tree,
    descriptor,
    digest,
    document,
    layer,
)

KUBERNETES = "k8s.io/kubernetes"
BUSYBOX = Path("/bin/busybox")
BASH = Path("/bin/bash-static")
CATATONIT = Path("/usr/bin/catatonit")
ALPINE = b'NAME="Alpine Linux"\nID=alpine\nPRETTY_NAME="Alpine Linux (its name only: this is Debian)"\n'
PASSWD = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
"""
GROUP = "root:x:0:\ndaemon:x:1:\ntty:x:5:\nwww-data:x:33:\nnogroup:x:65534:\n"
NGINX = b"""
pid /tmp/nginx.pid;
error_log /dev/stderr notice;
events {}
http {
  include /etc/nginx/mime.types;
  access_log /dev/stdout;
  client_body_temp_path /tmp/client;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  server { listen 80; root /usr/share/nginx/html; index index.html; }
}
"""
WELCOME = b"<!DOCTYPE html><html><title>Welcome to nginx!</title><h1>Welcome to nginx!</h1></html>\n"


class Contents:
    """The images, by the last part of their names. `programs` is the suite's folder, `userland` Debian as a tar."""

    def __init__(self, programs: Path, userland: bytes) -> None:
        self._programs = programs
        self._userland = userland
        self._sources = suite.module_folder(KUBERNETES) / "test" / "images"
        self._pause = layer({"pause": File(CATATONIT, 0o755)})
        self._agnhost = layer(self._agnhost_tree())
        self._recipes: dict[str, Callable[[], Image]] = {
            "agnhost": self._agnhost_image,
            "busybox": self._busybox,
            "etcd": lambda: self._program("usr/local/bin/etcd", "etcd"),
            "glibc-dns-testing": lambda: self._debian({"Cmd": ["bash"]}),
            "ipc-utils": lambda: self._debian({"Cmd": ["bash"]}),
            "kitten": lambda: self._page("kitten"),
            "nautilus": lambda: self._page("nautilus"),
            "nginx": self._nginx,
            "nonewprivs": lambda: self._program("usr/local/bin/nnp", "nonewprivs", mode=0o6755, Cmd=["nnp"]),
            "nonroot": lambda: self._debian({"User": "1234"}),
            "pause": self._pause_image,
            "perl": lambda: self._debian({"Cmd": ["perl"]}),
            "regression-issue-74839": lambda: self._served("regression-issue-74839"),
            "sample-apiserver": lambda: self._served("sample-apiserver"),
        }

    def image(self, name: str, tag: str) -> Image | None:
        """The image of that name, such as "agnhost"; None when no conformance spec uses it. Two tags differ."""
        recipe = self._recipes.get(name)
        if recipe is None:
            return None
        made = recipe()
        return Image(made.layers, {**made.config, "Labels": {"org.opencontainers.image.version": tag}})

    def _debian(self, config: dict[str, object], *trees: Tree) -> Image:
        return Image((self._userland, *map(layer, trees)), config)

    def _program(self, path: str, program: str, mode: int = 0o755, **config: object) -> Image:
        return self._debian(config, {path: File(self._programs / program, mode)})

    def _served(self, program: str) -> Image:
        return self._program(program, program, Entrypoint=[f"/{program}"])

    def _pause_image(self) -> Image:
        return Image((self._pause,), {"Entrypoint": ["/pause", "-P"]})

    def _agnhost_image(self) -> Image:
        return Image((self._userland, self._agnhost), {"Entrypoint": ["/agnhost"], "Cmd": ["pause"]})

    def _page(self, name: str) -> Image:
        html = self._sources / name / "html"
        tree: Tree = {
            f"{name}.jpg": File(html / f"{name}.jpg"),
            "data.json": File(html / "data.json"),
            "etc/os-release": File(ALPINE),
        }
        layers = (self._userland, self._agnhost, layer(tree))
        return Image(layers, {"Entrypoint": ["/agnhost"], "Cmd": ["test-webserver"]})

    def _nginx(self) -> Image:
        tree: Tree = {"etc/nginx/nginx.conf": File(NGINX), "usr/share/nginx/html/index.html": File(WELCOME)}
        return self._debian({"Cmd": ["nginx", "-g", "daemon off;"]}, tree)

    def _busybox(self) -> Image:
        said = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout
        applets = {f"bin/{applet}": Link("busybox") for applet in said.split() if applet != "busybox"}
        tree: Tree = {
            **applets,
            "bin/busybox": File(BUSYBOX, 0o755),
            "bin/bash": File(BASH, 0o755),
            "bin/sh": File(self._programs / "sh", 0o755),
            "etc/passwd": File(PASSWD.encode()),
            "etc/group": File(GROUP.encode()),
            "home": Folder(),
            "root": Folder(0o700),
            "tmp": Folder(0o1777),
            "usr/bin/env": Link("../../bin/busybox"),
            "var/tmp": Folder(0o1777),
        }
        return Image((layer(tree),), {"Cmd": ["sh"]})

    def _agnhost_tree(self) -> Tree:
        porter = self._sources / "agnhost" / "porter"
        return {
            "agnhost": File(self._programs / "agnhost", 0o755),
            "agnhost-2": Link("agnhost"),
            "usr/bin/sh": Link("bash"),  # dash hides names like `data-1` from the programs it starts
            "uploads": Folder(),
            "localhost.crt": File(porter / "localhost.crt"),
            "localhost.key": File(porter / "localhost.key"),
            "usr/local/bin/iperf": Link("/usr/bin/iperf"),
            "etc/passwd": File(f"{PASSWD}user-defined-in-image:x:1000:1000::/home:/bin/sh\n".encode()),
            "etc/group": File(
                f"{GROUP}user-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n".encode()
            ),
            **self._served_registry(),
        }

    def _served_registry(self) -> Tree:
        """What agnhost's own registry serves: the image `pause:testing`, for the specs of pull secrets."""
        manifest, blobs = self._pause_image().blobs()
        index = document({"schemaVersion": 2, "mediaType": INDEX, "manifests": [self._for_here(manifest)]})
        tree: dict[str, File | Link | Folder] = {"var/registry/pause/manifests/testing": File(digest(index).encode())}
        for kind, these in (("manifests", (index, manifest)), ("blobs", blobs)):
            for blob in these:
                name = digest(blob).removeprefix("sha256:")
                tree[f"var/registry/pause/{kind}/sha256/{name[:2]}/{name}/data"] = File(blob)
        return tree

    def _for_here(self, manifest: bytes) -> dict[str, object]:
        return {**descriptor(MANIFEST, manifest), "platform": {"architecture": ARCHITECTURE, "os": "linux"}}
