"""What a trial left in its output folder: found without following links, sent piece by piece."""

import hashlib
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from melonkube.contracts.models import BUNDLE_PATH, FLAVORS, MANIFEST_NAME, BundleFile
from melonkube.trainer.bundle import manifest_of
from melonkube.trainer.container.places import OUTPUT_FOLDER, Places, open_below
from melonkube.trainer.worker.http import Api, Patience, Refused
from melonkube.trainer.worker.recorder import type_of

log = logging.getLogger("melonkube.worker.outputs")

MOST_FILES = 1_000
_PIECE_BYTES = 1 << 20
_MODEL = BUNDLE_PATH + "/"
_ANSWER_SECONDS = 300.0
"""The registry may take its time with a large file."""


class _Changed(Exception):
    """A file changed while it was read."""


@dataclass(frozen=True, slots=True)
class Found:
    """A plain file below the output folder; ``path`` is relative to it."""

    path: str
    size_bytes: int


def find(places: Places) -> list[Found]:
    """Return the files, the model's first, up to :data:`MOST_FILES`; a warning tells of what is passed over."""
    found = []
    try:
        root = open_below(places.shared, OUTPUT_FOLDER, flags=os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        log.warning("the output folder cannot be read", extra={"reason": str(error)})
        return []
    try:
        for folder, folders, names, descriptor in os.fwalk(".", dir_fd=root, follow_symlinks=False):
            below = folder.removeprefix(".").removeprefix("/")
            for name in sorted([*folders, *names]):
                path = f"{below}/{name}" if below else name
                facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if stat.S_ISREG(facts.st_mode):
                    found.append(Found(path, facts.st_size))
                elif not stat.S_ISDIR(facts.st_mode):
                    _pass_over(path, "it is a link, or no plain file")
            folders.sort()
    except (OSError, RecursionError) as error:
        log.warning("a part of the output folder cannot be read", extra={"reason": str(error)})
    finally:
        os.close(root)
    found.sort(key=lambda each: (not each.path.startswith(_MODEL), each.path))
    if len(found) > MOST_FILES:
        log.warning("there are more files than are kept", extra={"files": len(found), "kept": MOST_FILES})
    return found[:MOST_FILES]


class Uploads:
    """Sends the files of a run.

    Args:
        api: The registry.
        run_id: The run.
        places: Where the files are.
        limit_bytes: The largest file that the registry takes.
    """

    def __init__(self, api: Api, run_id: str, places: Places, limit_bytes: int) -> None:
        self._api = api
        self._base = f"/api/v1/runs/{run_id}/artifacts"
        self._places = places
        self._limit = limit_bytes

    def send(self, patience: Patience) -> None:
        """Send every file that can be kept: those below ``model/`` as the run's bundle, with a manifest if need be.

        Raises:
            TokenRefused: The registry did not take the token.
            Abandoned: There is no point in trying further.
        """
        bundle: dict[str, BundleFile] = {}
        for each in find(self._places):
            sent = self._send_one(each, patience)
            if sent is not None and each.path.startswith(_MODEL):
                bundle[each.path.removeprefix(_MODEL)] = sent
        if not bundle or MANIFEST_NAME in bundle:
            return
        flavor = flavor_of(bundle)
        if flavor is None:
            log.warning("output/model holds no bundle that can be deployed", extra={"files": sorted(bundle)})
            return
        content = manifest_of(flavor, bundle, {})
        headers = _headers(MANIFEST_NAME, hashlib.sha256(content).hexdigest())
        self._api.call("PUT", f"{self._base}/{_MODEL}{MANIFEST_NAME}", patience, content=content, headers=headers)

    def _send_one(self, found: Found, patience: Patience) -> BundleFile | None:
        """Send a file; return what it is, None if it is passed over."""
        if found.size_bytes > self._limit:
            _pass_over(found.path, f"it is larger than the {self._limit:,} bytes that are kept of a file")
            return None
        path = found.path if found.path.startswith(_MODEL) else f"{OUTPUT_FOLDER}/{found.path}"
        try:
            address = f"{self._base}/{quote(path)}"
            descriptor = open_below(self._places.shared, OUTPUT_FOLDER, *found.path.split("/"))
        except (OSError, UnicodeEncodeError) as error:
            _pass_over(found.path, str(error))
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            digest = hashlib.sha256()
            for piece in _pieces(descriptor, found.size_bytes):
                digest.update(piece)
            headers = {**_headers(found.path, digest.hexdigest()), "Content-Length": str(found.size_bytes)}
            self._api.persist(
                lambda: self._api.once(
                    "PUT",
                    address,
                    content=_pieces(descriptor, found.size_bytes),
                    headers=headers,
                    wait_seconds=_ANSWER_SECONDS,
                ),
                patience,
            )
        except (Refused, _Changed, OSError) as error:
            _pass_over(found.path, str(error))
            return None
        finally:
            os.close(descriptor)
        return BundleFile(sha256=digest.hexdigest(), size_bytes=found.size_bytes)


def flavor_of(files: Mapping[str, object]) -> str | None:
    """Return the format of which a folder has every file it must have."""
    return next((flavor for flavor, needed in FLAVORS.items() if needed <= files.keys()), None)


def _pieces(descriptor: int, size: int) -> Iterator[bytes]:
    at = 0
    while at < size:
        piece = os.pread(descriptor, min(_PIECE_BYTES, size - at), at)
        if not piece:
            raise _Changed("it became shorter while it was read")
        at += len(piece)
        yield piece


def _headers(name: str, sha256: str) -> dict[str, str]:
    return {"X-Content-SHA256": sha256, "Content-Type": type_of(name)}


def _pass_over(path: str, reason: str) -> None:
    shown = path.encode("utf-8", "replace").decode()
    log.warning("a file of the output is not kept: %s", shown, extra={"reason": reason})
