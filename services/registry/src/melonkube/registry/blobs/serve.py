"""Answers that are content: streamed, with ranges (RFC 9110, section 14) and entity tags."""

import re
from collections.abc import AsyncIterator
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from melonkube.kit.errors import MelonError, NotFound
from melonkube.registry.blobs.models import BlobRow
from melonkube.registry.blobs.store import ObjectStore

_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


class RangeNotSatisfiable(MelonError):
    """A range that begins after the end."""

    status = 416


def disposition(file_name: str) -> str:
    """Return ``Content-Disposition`` that saves under ``file_name`` (RFC 6266)."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", file_name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the bytes asked for as (start, end exclusive), None for all of them.

    What is not one well-formed range of bytes is ignored, as RFC 9110 allows.

    Raises:
        RangeNotSatisfiable: There are no such bytes.
    """
    match = _RANGE.match(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        length = min(int(last), size)
        start, end = size - length, size
    else:
        start, end = int(first), size if last == "" else min(int(last) + 1, size)
        if last != "" and int(last) < start:
            return None
    if start >= end:
        raise RangeNotSatisfiable(
            f"The content has {size} bytes; ask for a range within them.", headers={"Content-Range": f"bytes */{size}"}
        )
    return start, end


async def serve_blob(
    store: ObjectStore, request: Request, blob: BlobRow, *, file_name: str, content_type: str
) -> Response:
    """Return the answer to a GET of ``blob``.

    Raises:
        NotFound: It was deleted meanwhile.
        RangeNotSatisfiable: The range asked for begins after the end.
    """
    etag = f'"{blob.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(file_name),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
    }
    wanted = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in wanted or "*" in wanted:
        return Response(status_code=304, headers=headers)
    asked = request.headers.get("range")
    if request.headers.get("if-range", etag) != etag:
        asked = None
    part = parse_range(asked, blob.size_bytes)
    start, end = part or (0, blob.size_bytes)
    status = 200
    if part is not None:
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size_bytes}"
    headers["Content-Length"] = str(end - start)
    try:
        pieces = await store.open(blob.key, start, end) if end > start else _nothing()
    except FileNotFoundError as error:
        raise NotFound("This content is no longer kept.") from error
    return StreamingResponse(pieces, status_code=status, headers=headers, media_type=content_type)


async def _nothing() -> AsyncIterator[bytes]:
    yield b""
