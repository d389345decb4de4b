"""Which Host and Origin are ours. Pure.

A web page elsewhere can make a browser send requests to loopback. Two checks stop it: the ``Host`` must be a name of
ours, which defeats DNS rebinding (the browser sends the attacker's name), and whatever the browser says about the
page that asked (``Origin``, ``Sec-Fetch-Site``; fetch.spec.whatwg.org, w3.org/TR/fetch-metadata) must name this page.
Programs that are no browsers send neither header and come in.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from melonkube.contracts.errors import ErrorCode
from melonkube.kit.errors import Forbidden

Authority = tuple[str, int | None]
"""A host name in lower case and its port; None where the scheme's customary port is meant."""

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_CUSTOMARY = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)(?::(?P<port>[0-9]{1,5}))?")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class HostNotAllowed(Forbidden):
    """The request was sent to a name that is not ours."""

    code = ErrorCode.HOST_NOT_ALLOWED


class OriginNotAllowed(Forbidden):
    """The request was sent by another web page."""

    code = ErrorCode.ORIGIN_NOT_ALLOWED


def parse_authority(text: str) -> Authority | None:
    """Return ``host[:port]`` in its normal form, None if it is not one."""
    match = _AUTHORITY.fullmatch(text.lower())
    if match is None:
        return None
    port = match["port"]
    if port is not None and not 1 <= int(port) <= 65_535:
        return None
    return match["host"], int(port) if port is not None else None


@dataclass(frozen=True)
class OwnNames:
    """The names under which this gateway may be reached.

    Args:
        hosts: Further names, as :func:`parse_authority` reads them, beside loopback's with the listening port.
    """

    hosts: frozenset[Authority] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[str]) -> "OwnNames":
        """Return the names of a setting, which has been checked."""
        parsed = (parse_authority(entry) for entry in entries)
        return cls(frozenset(_widen(authority) for authority in parsed if authority is not None))

    def has(self, authority: Authority | None, port: int) -> bool:
        """Return whether ``authority`` is ours when we listen on ``port``."""
        if authority is None:
            return False
        wanted = _widen(authority)
        if wanted in self.hosts:
            return True
        return wanted[0] in LOOPBACK_NAMES and wanted == _widen((wanted[0], port))


def _widen(authority: Authority) -> Authority:
    host, port = authority
    return (host, None) if port in _CUSTOMARY.values() else (host, port)


def check_host(hosts: list[str], names: OwnNames, port: int) -> None:
    """Let a request pass whose one ``Host`` is ours.

    Raises:
        HostNotAllowed: It is not, or there is none, or there are several.
    """
    if len(hosts) != 1 or not names.has(parse_authority(hosts[0]), port):
        raise HostNotAllowed(
            "This server is not to be reached under that name. Use http://127.0.0.1 with its port, or add the name to "
            "MELON_GATEWAY__HOSTS."
        )


def check_origin(
    method: str, path: str, origins: list[str], fetch_sites: list[str], names: OwnNames, port: int
) -> None:
    """Let a request pass that no other web page sent.

    Pages may be linked to from anywhere; the API may be neither read nor driven from elsewhere.

    Raises:
        OriginNotAllowed: Another web page sent it.
    """
    if method in _SAFE_METHODS and not path.startswith("/api"):
        return
    if any(not names.has(_authority_of(origin), port) for origin in origins) or any(
        site not in ("same-origin", "none") for site in fetch_sites
    ):
        raise OriginNotAllowed("This call came from another web page; only this server's own page may make it.")


def _authority_of(origin: str) -> Authority | None:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    if parts.scheme not in _CUSTOMARY or parts.path or parts.query or parts.fragment:
        return None
    return parse_authority(parts.netloc)
