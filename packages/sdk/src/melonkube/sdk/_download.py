"""Downloads: streamed to disk at flat memory, checked, and put in place only when whole."""

import hashlib
from pathlib import Path

import httpx

from melonkube.sdk._exceptions import ChecksumMismatch, ConnectionFailed
from melonkube.sdk._files import replacing
from melonkube.sdk._transport import Call, Transport
from melonkube.sdk._upload import CHUNK, Progress


def download(
    transport: Transport, call: Call, path: Path, *, sha256: str | None = None, progress: Progress | None = None
) -> Path:
    """Fetch the body of an answer into ``path``; a broken connection begins it again.

    Args:
        transport: Sends the call.
        call: A GET.
        path: The file to write; what is there is replaced only by a whole file.
        sha256: What the content must be.
        progress: Told the bytes done and in all.

    Raises:
        ChecksumMismatch: It is not that content.
        OSError: The file cannot be written.
    """
    with replacing(path) as part:
        for attempt in range(1, transport.retry.attempts + 1):
            try:
                found = _receive(transport, call, part, progress)
                break
            except ConnectionFailed:
                if attempt == transport.retry.attempts:
                    raise
                transport.clock.sleep(transport.retry.delay(attempt))
        if sha256 is not None and found != sha256:
            raise ChecksumMismatch(f"{path.name} arrived with other bytes than announced; nothing was written.")
    return path


def _receive(transport: Transport, call: Call, part: Path, progress: Progress | None) -> str:
    digest = hashlib.sha256()
    done = 0
    with transport.stream(call) as answer, part.open("wb") as file:
        total = _length(answer)
        for chunk in answer.iter_bytes(CHUNK):
            digest.update(chunk)
            file.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    return digest.hexdigest()


def _length(answer: httpx.Response) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Content-Encoding" not in answer.headers else None
