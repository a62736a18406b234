"""AuditSettings: what a server's audit log is, and the Auditor that it makes.

Made by the composition root; without settings there is no audit log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from wherry.aio.clock import Clock
from wherry.apiserver.audit.auditor import Auditor, OnFailure
from wherry.apiserver.audit.file import AuditFile, Limits
from wherry.apiserver.audit.policy import DEFAULT, Policy
from wherry.apiserver.audit.webhook import AuditWebhook, Sending
from wherry.apiserver.webhooks.client import Target, WebhookClient

Jobs = list[tuple[str, Callable[[], Awaitable[None]]]]
"""What has to run for ever, by name."""


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """`folder` holds the files (None: none are written); `webhook` is where records are sent, too."""

    folder: Path | None
    policy: Policy = DEFAULT
    limits: Limits = field(default_factory=Limits)
    webhook: Target | None = None
    sending: Sending = field(default_factory=Sending)
    on_failure: OnFailure = "continue"

    def open(self, clock: Clock, client: WebhookClient) -> tuple[Auditor, AuditFile | None, Jobs]:
        """The auditor, its file (to be closed) and its jobs. Raises OSError."""
        file = None if self.folder is None else AuditFile(self.folder, clock, self.limits)
        auditor = Auditor(self.policy, clock, file, on_failure=self.on_failure)
        jobs: Jobs = []
        if file is not None:
            jobs.append(("audit log", file.keep))
        if self.webhook is not None:
            webhook = AuditWebhook(client, self.webhook, auditor.lost, self.sending)
            auditor.attach(webhook)
            jobs.append(("audit webhook", webhook.keep))
        return auditor, file, jobs
