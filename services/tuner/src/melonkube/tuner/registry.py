"""What the tuner asks of the registry."""

from collections.abc import Sequence
from urllib.parse import quote

import pyarrow as pa

from melonkube.contracts.datasets import Dataset
from melonkube.contracts.runs import RunCreate, RunFinish
from melonkube.kit.client import PeerClient
from melonkube.kit.errors import UpstreamUnavailable


class RegistryClient:
    """Calls of the registry on behalf of a workspace; raises what :class:`PeerClient` raises."""

    def __init__(self, peer: PeerClient) -> None:
        self._peer = peer

    async def dataset(self, workspace_id: str, dataset_id: str) -> Dataset:
        """Return a data set."""
        answer = await self._peer.call(workspace_id, "GET", f"/api/v1/datasets/{dataset_id}")
        return Dataset.model_validate_json(answer.content)

    async def columns(self, workspace_id: str, dataset_id: str, names: Sequence[str]) -> "pa.Table":
        """Return some columns of a data set."""
        answer = await self._peer.call(
            workspace_id, "GET", f"/internal/datasets/{dataset_id}/columns", params={"name": list(names)}, timeout=120.0
        )
        try:
            return pa.ipc.open_stream(answer.content).read_all()
        except pa.ArrowInvalid as error:
            raise UpstreamUnavailable("The registry sent columns that cannot be read; try again.") from error

    async def create_run(self, workspace_id: str, run: RunCreate) -> None:
        """Make a run; again with the same id, it is there."""
        await self._peer.call(workspace_id, "POST", "/api/v1/runs", json=run.model_dump(mode="json"))

    async def put_artifact(self, workspace_id: str, run_id: str, path: str, content: bytes, sha256: str) -> None:
        """Store a file of a run, checked by its SHA-256."""
        await self._peer.call(
            workspace_id,
            "PUT",
            f"/api/v1/runs/{run_id}/artifacts/{quote(path)}",
            content=content,
            headers={"X-Content-SHA256": sha256, "Content-Type": "application/vnd.apache.parquet"},
            timeout=120.0,
        )

    async def finish_run(self, workspace_id: str, run_id: str, finish: RunFinish) -> None:
        """End a run."""
        await self._peer.call(
            workspace_id, "POST", f"/api/v1/runs/{run_id}/finish", json=finish.model_dump(mode="json")
        )

    async def delete_run(self, workspace_id: str, run_id: str) -> None:
        """Delete a run and its artifacts."""
        await self._peer.call(workspace_id, "DELETE", f"/api/v1/runs/{run_id}")

    async def delete_runs(self, workspace_id: str, experiment_id: str) -> None:
        """Delete every run of an experiment; a problem ``in_use`` names what depends on one."""
        await self._peer.call(workspace_id, "DELETE", f"/internal/experiments/{experiment_id}/runs", timeout=300.0)
