"""Tokens of workers: good for one experiment and its data set, at the tuner and the registry."""

from melonkube.kit.tokens import SCOPE_WORKER, Principal, TokenSigner

AUDIENCES = ("tuner", "registry")


class WorkerTokens:
    """Issues them. The signer gives the same token until half of its life is over, then a new one."""

    def __init__(self, signer: TokenSigner, lifetime_seconds: float) -> None:
        self._signer = signer
        self._lifetime = lifetime_seconds

    def issue(self, worker_id: str, workspace_id: str, experiment_id: str, dataset_id: str) -> str:
        """Return a token that is at most half way through its life."""
        principal = Principal(f"worker:{worker_id}", workspace_id, frozenset({SCOPE_WORKER}), experiment_id, dataset_id)
        return self._signer.sign(principal, AUDIENCES, lifetime_seconds=self._lifetime)
