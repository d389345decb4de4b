"""Models, their versions and aliases."""

import os
from pathlib import Path

from melonkube.contracts.models import (
    BUNDLE_PATH,
    Alias,
    AliasPut,
    Model,
    ModelCreate,
    ModelVersion,
    ModelVersionCreate,
)
from melonkube.sdk._base import Resource
from melonkube.sdk._bodies import build
from melonkube.sdk._download import download
from melonkube.sdk._paging import Pages
from melonkube.sdk._transport import Call, quote_name, quote_path
from melonkube.sdk._upload import Progress

_BASE = "/api/v1/models"


class Models(Resource):
    """Names under which immutable versions gather, and aliases that move from version to version."""

    def create(self, name: str, description: str | None = None) -> Model:
        """Make a model without versions.

        Raises:
            Conflict: There is one of that name.
        """
        return self._post(Model, _BASE, build(ModelCreate, {"name": name, "description": description}))

    def get(self, name: str) -> Model:
        """Return a model."""
        return self._get(Model, self._path(name))

    def delete(self, name: str) -> None:
        """Delete a model with all its versions.

        Raises:
            Conflict: An endpoint depends on it.
        """
        self._delete(self._path(name))

    def versions(self, name: str) -> Pages[ModelVersion]:
        """Return the versions of a model, newest first."""
        return Pages(self._transport, ModelVersion, self._path(name, "versions"))

    def version(self, name: str, version: int) -> ModelVersion:
        """Return one version."""
        return self._get(ModelVersion, self._version_path(name, version))

    def register(
        self, name: str, run_id: str, *, artifact_path: str = BUNDLE_PATH, description: str | None = None
    ) -> ModelVersion:
        """Make a version of the bundle a run left; the model is made when it is missing, a repeat makes no second.

        Raises:
            InvalidRequest: There is no valid bundle.
        """
        given = {"run_id": run_id, "artifact_path": artifact_path, "description": description}
        body = build(ModelVersionCreate, given)
        return self._post(ModelVersion, self._path(name, "versions"), body, repeatable=True)

    def delete_version(self, name: str, version: int) -> None:
        """Delete one version.

        Raises:
            Conflict: An endpoint or an alias depends on it.
        """
        self._delete(self._version_path(name, version))

    def download(
        self, name: str, version: int, path: str | os.PathLike[str], *, progress: Progress | None = None
    ) -> Path:
        """Write a version's bundle, as a zip, to ``path``."""
        call = Call("GET", self._version_path(name, version, "download"))
        return download(self._transport, call, Path(path), progress=progress)

    def read_file(self, name: str, version: int, path: str) -> bytes:
        """Return one file of a bundle, such as ``signature.json``."""
        return self._transport.send(Call("GET", self._version_path(name, version, "files", quote_path(path)))).content

    def aliases(self, name: str) -> Pages[Alias]:
        """Return the aliases of a model."""
        return Pages(self._transport, Alias, self._path(name, "aliases"))

    def alias(self, name: str, alias: str) -> Alias:
        """Return one alias."""
        return self._get(Alias, self._path(name, "aliases", quote_name(alias)))

    def set_alias(self, name: str, alias: str, version: int) -> Alias:
        """Point an alias at a version; endpoints that follow it load that version."""
        return self._put(Alias, self._path(name, "aliases", quote_name(alias)), build(AliasPut, {"version": version}))

    def delete_alias(self, name: str, alias: str) -> None:
        """Delete an alias.

        Raises:
            Conflict: An endpoint follows it.
        """
        self._delete(self._path(name, "aliases", quote_name(alias)))

    def list(self) -> Pages[Model]:
        """Return the models."""
        return Pages(self._transport, Model, _BASE)

    @staticmethod
    def _path(name: str, *rest: str) -> str:
        return "/".join((_BASE, quote_name(name), *rest))

    def _version_path(self, name: str, version: int, *rest: str) -> str:
        return self._path(name, "versions", str(int(version)), *rest)
