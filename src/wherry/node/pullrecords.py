"""Who may use an image that is on the node already: whoever could have pulled it.

For every image the agent pulled, `<root>/image-pulls.json` (0600) keeps whether it was had without credentials, or the
digests of the credentials that got it. A pod that has none of them must ask the registry again, whatever its pull
policy (upstream: NeverVerifyPreloadedImages). Images that came another way (`wherry image load`) are everybody's.
https://kubernetes.io/docs/concepts/containers/images/#ensureimagepullcredentialverification
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from wherry.node.runtime.interface import Auth

log = logging.getLogger(__name__)
PUBLIC = "public"


def digest(auth: Auth) -> str:
    """What stands for a credential."""
    text = "\0".join((auth.server, auth.username, auth.password, auth.auth, auth.identity_token))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(slots=True)
class PullRecords:
    """See the module. Without a path nothing outlives the process."""

    path: Path | None = None
    _known: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is None or not self.path.exists():
            return
        try:
            self._known = {image: set(who) for image, who in json.loads(self.path.read_text()).items()}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            log.warning("%s cannot be read; every image counts as loaded: %s", self.path, error)

    def needs_proof(self, image: str) -> bool:
        """Whether an image was only ever pulled with credentials."""
        return image in self._known and PUBLIC not in self._known[image]

    def proven(self, image: str, auths: Iterable[Auth]) -> bool:
        """Whether one of these credentials got the image."""
        return any(digest(one) in self._known.get(image, ()) for one in auths)

    def pulled(self, image: str, auth: Auth | None) -> None:
        """An image was pulled, with this credential or without."""
        who = self._known.setdefault(image, set())
        added = PUBLIC if auth is None else digest(auth)
        if added not in who:
            who.add(added)
            self._write()

    def forget(self, image: str) -> None:
        """The image is gone."""
        if self._known.pop(image, None) is not None:
            self._write()

    def _write(self) -> None:
        if self.path is None:
            return
        temporary = self.path.with_suffix(".new")
        try:
            temporary.touch(mode=0o600)
            temporary.write_text(json.dumps({image: sorted(who) for image, who in self._known.items()}))
            temporary.rename(self.path)
        except OSError as error:
            log.warning("cannot keep who pulled images: %s", error)
