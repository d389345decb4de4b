"""Several small files of a run in one form: each part's name is the file's path."""

import hashlib
from collections.abc import AsyncIterator

from melonkube.kit.errors import BodyTooLarge, InvalidRequest
from melonkube.registry.blobs.service import HEAD_BYTES, STRAIGHT_BYTES, Body
from melonkube.registry.forms import FormReader
from melonkube.registry.runs.domain import check_path, checksum_mismatch, refuse_unsafe

FILES_AT_MOST = 100


async def read_files(
    content_type: str | None, stream: AsyncIterator[bytes], sha256: str | None = None
) -> dict[str, Body]:
    """Return the files of a form by their paths.

    Args:
        content_type: The request's.
        stream: The body.
        sha256: The digest of the whole body that the sender computed, if it did.

    Raises:
        InvalidRequest: The form is malformed, a path cannot be one or is there twice, a file is unsafe, or the
            digest differs.
        BodyTooLarge: The files are too large to be taken at once.
        UnsupportedMediaType: It is not a form.
    """
    files: dict[str, bytearray] = {}
    current = bytearray()

    def begin(path: str, _file_name: str | None) -> None:
        nonlocal current
        if check_path(path) in files:
            raise InvalidRequest(f"The form has '{path}' twice; send each file once.")
        if len(files) == FILES_AT_MOST:
            raise InvalidRequest(f"The form has more than {FILES_AT_MOST} files; send several forms.")
        current = files[path] = bytearray()

    def take(piece: bytes) -> None:
        current.extend(piece)

    whole = hashlib.sha256()

    async def hashed() -> AsyncIterator[bytes]:
        async for chunk in stream:
            whole.update(chunk)
            yield chunk

    form = FormReader(content_type, stream if sha256 is None else hashed(), begin, take)
    while await form.feed():
        if sum(map(len, files.values())) > STRAIGHT_BYTES:
            raise BodyTooLarge(
                f"Files sent together may have {STRAIGHT_BYTES:,} bytes in all; PUT larger ones one by one."
            )
    if sha256 is not None and sha256.lower() != whole.hexdigest():
        raise checksum_mismatch(whole.hexdigest())
    if not files:
        raise InvalidRequest("The form holds no files; name each part after the artifact's path.")
    for path, data in files.items():
        refuse_unsafe(path, bytes(data[:HEAD_BYTES]))
    return {path: Body(hashlib.sha256(data).hexdigest(), len(data), data=bytes(data)) for path, data in files.items()}
