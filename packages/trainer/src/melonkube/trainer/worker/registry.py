"""What a worker fetches from the registry: data by its hash, and the files of bundles."""

from collections.abc import Callable
from typing import BinaryIO
from urllib.parse import quote

import httpx

from melonkube.contracts.models import BUNDLE_PATH, MANIFEST_NAME, BundleManifest
from melonkube.trainer.bundle import check_file
from melonkube.trainer.worker.cache import Cache
from melonkube.trainer.worker.http import Api, Patience

_NOTHING_FOLLOWS = frozenset({416})


class RegistryFiles:
    """Reads from the registry, through the cache where there is a hash. Used by one thread.

    Args:
        api: The registry.
        cache: Where fetched files are kept.
        patience: Returns how long to go on trying, for the assignment at hand.
    """

    def __init__(self, api: Api, cache: Cache, patience: Callable[[], Patience]) -> None:
        self._api = api
        self._cache = cache
        self._patience = patience

    def dataset(self, dataset_id: str, sha256: str) -> BinaryIO:
        """Return a data set's Parquet copy, open for reading.

        Raises:
            Refused: The registry will not have it.
            TokenRefused: It did not take the token.
            Abandoned: There is no point in trying further.
        """
        return self._by_hash(f"/api/v1/datasets/{dataset_id}/parquet", sha256)

    def artifact(self, run_id: str, path: str, sha256: str) -> BinaryIO:
        """Return an artifact whose hash is known, open for reading; see :meth:`dataset`."""
        return self._by_hash(f"/api/v1/runs/{run_id}/artifacts/{quote(path)}", sha256)

    def manifest(self, run_id: str) -> BundleManifest:
        """Return the manifest of a run's bundle; see :meth:`bundle`."""
        said = self._api.call("GET", f"{_folder(run_id)}/{MANIFEST_NAME}", self._patience()).content
        return BundleManifest.model_validate_json(said)

    def bundle(self, run_id: str) -> dict[str, bytes]:
        """Return the files of a run's bundle, each checked against the manifest, the manifest left out.

        Raises:
            BundleError: A file is not what the manifest says.
            Refused: The registry will not have it.
            TokenRefused: It did not take the token.
            Abandoned: There is no point in trying further.
        """
        patience = self._patience()
        manifest = self.manifest(run_id)
        files = {}
        for name in manifest.files:
            files[name] = self._api.call("GET", f"{_folder(run_id)}/{quote(name)}", patience).content
            check_file(manifest, name, files[name])
        return files

    def _by_hash(self, path: str, sha256: str) -> BinaryIO:
        patience = self._patience()

        def download(file: BinaryIO) -> None:
            self._api.persist(lambda: self._append(path, sha256, file, patience), patience)

        return self._cache.open(sha256, download, patience.wait)

    def _append(self, path: str, sha256: str, file: BinaryIO, patience: Patience) -> httpx.Response:
        """Fetch what ``file`` still lacks; an answer that cannot begin there begins the file anew."""
        have = file.tell()
        headers = {"Range": f"bytes={have}-", "If-Range": f'"{sha256}"'} if have else {}
        with self._api.stream(path, headers, also=_NOTHING_FOLLOWS) as answer:
            if answer.status_code in _NOTHING_FOLLOWS:  # it is whole, or not what was asked for: its hash will tell
                return answer
            if answer.status_code != 206 and have:
                file.seek(0)
                file.truncate()
            for chunk in answer.iter_bytes():
                patience.check()
                file.write(chunk)
            return answer


def _folder(run_id: str) -> str:
    return f"/api/v1/runs/{run_id}/artifacts/{BUNDLE_PATH}"
