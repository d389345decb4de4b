"""The files of the built page, kept in memory as they are and compressed."""

import base64
import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

INDEX = "index.html"
IMMUTABLE_FOLDER = "assets/"
"""Where the build puts files whose names hold a digest of their content."""

_COMPRESS_FROM = 1024
_INLINE_SCRIPT = re.compile(rb"<script(?P<attributes>[^>]*)>(?P<text>.*?)</script\s*>", re.DOTALL | re.IGNORECASE)
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
}
_TEXT = ("text/", "application/json", "application/manifest+json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent. ``compressed`` is gzip, None where that gains nothing."""

    content_type: str
    cache_control: str
    etag: str
    body: bytes
    compressed: bytes | None
    policy: str | None
    """Content-Security-Policy, for a document."""


class AssetStore:
    """Reads files once, and again when they change, as after a new build. May be called from any thread.

    Args:
        folder: Where the build left the page.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._kept: dict[str, tuple[tuple[int, int], Asset]] = {}

    def get(self, path: str) -> Asset | None:
        """Return the file at ``path`` (relative, with slashes), None if there is none in the folder."""
        try:
            file = (self._folder / path).resolve()
            if not file.is_relative_to(self._folder) or not file.is_file():
                return None
            status = file.stat()
            version = (status.st_mtime_ns, status.st_size)
            kept = self._kept.get(path)
            if kept is not None and kept[0] == version:
                return kept[1]
            asset = make_asset(path, file.read_bytes())
        except (OSError, ValueError):
            # A name too long, or with a NUL: no file has it.
            return None
        self._kept[path] = (version, asset)
        return asset


def make_asset(path: str, body: bytes) -> Asset:
    """Return ``body`` ready to be sent as the file ``path``."""
    suffix = Path(path).suffix.lower()
    content_type = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    text = content_type.startswith(_TEXT)
    compressed = gzip.compress(body, 9, mtime=0) if text and len(body) >= _COMPRESS_FROM else None
    return Asset(
        content_type=f"{content_type}; charset=utf-8" if text else content_type,
        cache_control=("public, max-age=31536000, immutable" if path.startswith(IMMUTABLE_FOLDER) else "no-cache"),
        etag=f'W/"{hashlib.sha256(body).hexdigest()[:32]}"',
        body=body,
        compressed=compressed if compressed is not None and len(compressed) < len(body) else None,
        policy=page_policy(body) if content_type == "text/html" else None,
    )


def page_policy(document: bytes) -> str:
    """Return the Content-Security-Policy of a document of ours.

    Only our own scripts run; one written inside the document (the colour scheme's, which must run before the first
    paint) is named by its digest. Styles may be inline, since the component library writes them there.
    """
    scripts = ["'self'"]
    for match in _INLINE_SCRIPT.finditer(document):
        if b"src=" not in match["attributes"].lower():
            digest = base64.b64encode(hashlib.sha256(match["text"]).digest()).decode()
            scripts.append(f"'sha256-{digest}'")
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src {' '.join(scripts)}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def accepts_gzip(header: str) -> bool:
    """Return whether an ``Accept-Encoding`` header (RFC 9110, section 12.5.3) takes gzip."""
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        coding, _, parameter = part.partition(";")
        name, _, weight = parameter.strip().partition("=")
        try:
            weights[coding.strip()] = float(weight) if name.strip() == "q" else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0.0


def matches_etag(header: str, etag: str) -> bool:
    """Return whether an ``If-None-Match`` header names ``etag``; the comparison is weak (RFC 9110, section 13.1.2)."""
    if header.strip() == "*":
        return True
    return any(part.strip().removeprefix("W/") == etag.removeprefix("W/") for part in header.split(","))
