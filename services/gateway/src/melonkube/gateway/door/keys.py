"""The owner's key and the sessions made with it. Pure but for the clock it is given.

A session is a text of its own end and a MAC over it, keyed by the owner's key: nothing is stored, and a new key ends
all sessions.
"""

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie

COOKIE = "melon_session"


class OwnerKey:
    """Checks the key and makes sessions.

    Args:
        key: What the owner chose.
        session_seconds: How long a session is good.
    """

    def __init__(self, key: str, session_seconds: float) -> None:
        self._key = key.encode()
        self._session_seconds = session_seconds

    def matches(self, given: str) -> bool:
        """Return whether ``given`` is the key, in a time that tells nothing about it."""
        # Digests have one length, so that the comparison does not tell the key's.
        return hmac.compare_digest(
            hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest(), hashlib.sha256(self._key).digest()
        )

    def new_session(self, now: float) -> str:
        """Return a session that begins at ``now`` (seconds since the epoch)."""
        end = str(int(now + self._session_seconds))
        return f"{end}.{self._mac(end)}"

    def is_session(self, text: str, now: float) -> bool:
        """Return whether ``text`` is a session that has not ended."""
        end, _, mac = text.partition(".")
        # The MAC comes first: only an end that we wrote ourselves is read as a number.
        return hmac.compare_digest(mac.encode(), self._mac(end).encode()) and now < int(end)

    def _mac(self, end: str) -> str:
        return hmac.new(self._key, b"melonkube-session:" + end.encode(), hashlib.sha256).hexdigest()

    def admits(self, authorization: list[str], cookies: list[str], now: float) -> bool:
        """Return whether one of a request's headers carries the key or a session."""
        for header in authorization:
            scheme, _, given = header.partition(" ")
            if scheme.lower() == "bearer" and self.matches(given.strip()):
                return True
        return any(self.is_session(session, now) for session in _sessions(cookies))


def _sessions(cookies: list[str]) -> list[str]:
    found = []
    for header in cookies:
        try:
            morsel = SimpleCookie(header).get(COOKIE)
        except CookieError:
            continue
        if morsel is not None:
            found.append(morsel.value)
    return found
