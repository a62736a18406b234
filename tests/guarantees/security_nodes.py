"""Section 4.3, what agents and entries have to do with: links, logs, profiles, sites. Packets: see network.py."""

from __future__ import annotations

from tests.guarantees.row import Proof, Row, fault

MOUNTS_PY = "host/mounts.py"

ROWS = (
    Row(
        "4.3.11-links",
        "No link that a container plants or flips leads out of its volume; a volume's files change all at once "
        "(CVE-2017-1002101, CVE-2021-25741, CVE-2017-1002102)",
        (
            Proof(
                "tests/unit/host/test_links_in_volumes.py::test_no_flipped_link_leads_out",
                (
                    fault(
                        "links are followed to where they lead on the machine",
                        MOUNTS_PY,
                        "_RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)",
                        "_RESOLVE_NO_MAGICLINKS)",
                    ),
                    fault(
                        "a path is checked, then opened",
                        MOUNTS_PY,
                        '        return _openat2(base, path.lstrip("/") or ".", flags)\n',
                        "        if not (root / path).resolve().is_relative_to(root.resolve()):\n"
                        "            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)\n"
                        "        return os.open(root / path, flags)\n",
                    ),
                ),
            ),
            Proof(
                "tests/unit/node/test_small_parts.py::test_no_link_leads_out_of_a_volume",
                (
                    fault(
                        "`..` may lead out of a volume",
                        MOUNTS_PY,
                        '    if ".." in parts:',
                        "    if False:",
                    ),
                ),
            ),
            Proof(
                "tests/unit/node/test_small_parts.py::test_volume_paths_that_lead_out_are_refused",
                (
                    fault(
                        "the names of projected files may lead out",
                        "node/volumes/atomic.py",
                        'path.startswith("/") or ".." in parts or parts[0].startswith("..")',
                        'path.startswith("/")',
                    ),
                ),
            ),
        ),
        missing="a running container that flips links under a mount of its own (host test)",
    ),
    Row(
        "4.3.12-logs",
        "A log that was replaced by a link shows nothing of the machine (ToB-026)",
        (
            Proof(
                "tests/unit/node/test_streaming_logs.py::test_a_symbolic_link_is_refused",
                (
                    fault(
                        "links in place of logs are followed",
                        "node/streaming/logs.py",
                        "os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC",
                        "os.O_RDONLY | os.O_CLOEXEC",
                    ),
                ),
            ),
            Proof(
                "tests/unit/node/test_small_parts.py::test_last_words",
                (
                    fault(
                        "links in place of last words are followed",
                        "node/lastwords.py",
                        "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK",
                        "os.O_RDONLY | os.O_NONBLOCK",
                    ),
                ),
            ),
        ),
        missing="`kubectl cp` is upstream's own kubectl, and unpacks on the user's machine",
    ),
    Row(
        "4.3.13-injection",
        "No shell is used and no name is an option or a command (CVE-2024-10220)",
        missing="strings in every field that reaches nft, ip or mount; gitRepo volumes are not "
        "there, and what HAProxy is "
        "told is row 22's",
    ),
    Row(
        "4.3.16-ports",
        "The agent's port tells nobody but health without credentials, and others only what they may "
        "(CVE-2025-46599, CVE-2019-11248)",
        (
            Proof(
                "tests/integration/apiserver/test_agent_server.py::test_nothing_but_health_is_for_everybody",
                (
                    fault(
                        "metrics are for everybody",
                        "node/api.py",
                        'refused = "" if request.path == "/healthz" else',
                        'refused = "" if request.path in ("/healthz", "/metrics") else',
                    ),
                    fault(
                        "any certificate of the cluster opens the agent",
                        "node/api.py",
                        "        if allowed(certificate, request.path):",
                        "        if certificate:",
                    ),
                ),
            ),
            Proof(
                "tests/integration/apiserver/test_access.py::test_nobody_sees_health_and_nothing_else",
                (
                    fault(
                        "nobody may see everything that rules let them",
                        "apiserver/authn/authenticator.py",
                        '        return self.paths is None or path.rstrip("/") in self.paths or '
                        "path.startswith(self.below)",
                        "        return True",
                    ),
                ),
            ),
        ),
        missing="a scan of all ports of a machine with a cluster",
    ),
    Row(
        "4.3.18-identity",
        "runAsNonRoot is held against what will really run; an empty seccomp profile is refused (CVE-2019-11245, "
        "CVE-2023-2431)",
        (
            Proof(
                "tests/unit/node/test_contributions.py::test_non_root_is_checked_against_what_will_really_run",
                (
                    fault(
                        "an image's user is not looked at",
                        "node/hooks/security.py",
                        '    if image in ("", "0", "root"):',
                        "    if False:",
                    ),
                    fault(
                        "a user beyond 31 bits is somebody (CVE-2024-40635)",
                        "node/hooks/security.py",
                        "    if not 0 < int(image) <= _LAST_USER:",
                        "    if int(image) == 0:",
                    ),
                ),
            ),
            Proof(
                "tests/unit/node/test_contributions.py::test_an_empty_profile_is_none_to_run_with",
                (
                    fault(
                        "an empty profile means none (CVE-2023-2431)",
                        "node/hooks/security.py",
                        '    if not profile.localhost_profile:\n        raise HookFault("localhostProfile must be set',
                        "    if profile.localhost_profile is None:\n        raise "
                        'HookFault("localhostProfile must be set',
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.3.19-images",
        "What an image says of itself controls nothing; known bad versions of runc and containerd are refused "
        "(CVE-2026-53488, CVE-2024-21626, CVE-2025-31133)",
        missing="no test; versions are those of the distribution, and not looked at",
    ),
    Row(
        "4.3.22-sites",
        "What an Ingress says becomes values of HAProxy, never commands or configuration "
        "(CVE-2021-25742, CVE-2025-1974)",
        (
            Proof(
                "tests/unit/network/test_ingress_injection.py::test_nothing_but_commands_of_ours",
                (
                    fault(
                        "a `;` in a path begins another command",
                        "network/ingress/maps.py",
                        '    return key.replace(";", "\\\\;")',
                        "    return key",
                    ),
                    fault(
                        "a host may be anything",
                        "api/networking/ingress_claims.py",
                        "        if host and HOST.fullmatch(host) is None:",
                        "        if False:",
                    ),
                    fault(
                        "a path may hold blanks and line feeds",
                        "api/networking/ingress_claims.py",
                        "            if _PATH.fullmatch(text) is None:",
                        "            if False:",
                    ),
                ),
            ),
        ),
    ),
)
