"""Why a call to a webhook failed, in the words of Go's HTTP client, which people search for. Pure."""

from __future__ import annotations

import errno
import os
import ssl
from typing import Final

import aiohttp

_UNKNOWN_AUTHORITY: Final = frozenset((2, 7, 18, 19, 20, 21, 24))  # X509_V_ERR_*
_DATES: Final = frozenset((9, 10))
_SAYINGS: Final = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    403: "unknown",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    413: "Request entity too large: limit exceeded",
    429: "the server has received too many requests and has asked us to try again later",
}


def of_status(status: int) -> str:
    """What an HTTP status other than success means. What the answer says is not repeated."""
    if status >= 500:
        return 'an error on the server ("unknown") has prevented the request from succeeding'
    usual = f"the server responded with the status code {status} but did not return more information"
    return _SAYINGS.get(status, usual)


def of_error(error: Exception) -> str:
    """What went wrong on the way."""
    match error:
        case TimeoutError():
            text = "context deadline exceeded"
        case aiohttp.ClientConnectorCertificateError():
            text = f"tls: failed to verify certificate: x509: {_certificate(error.certificate_error)}"
        case aiohttp.ClientConnectorDNSError():
            text = error.os_error.strerror or str(error.os_error)
        case aiohttp.ClientConnectorSSLError():
            text = f"tls: {error.os_error}"
        case aiohttp.ClientConnectorError():
            text = f"dial tcp {error.host}:{error.port}: connect: {_errno(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            text = "EOF"
        case _:
            text = str(error) or type(error).__name__
    return text


def _certificate(error: Exception) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return str(error)
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return "certificate signed by unknown authority"
    if error.verify_code in _DATES:
        return "certificate has expired or is not yet valid"
    return error.verify_message


def _errno(error: OSError) -> str:
    number = error.errno
    return os.strerror(number).lower() if number is not None and number in errno.errorcode else str(error)
