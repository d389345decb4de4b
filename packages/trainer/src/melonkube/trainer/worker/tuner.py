"""The tuner as a worker calls it: every call is safe to repeat, and repeated until it is answered."""

from pydantic import BaseModel

from melonkube.contracts.worker import (
    CompleteRequest,
    EvaluationResult,
    FailRequest,
    FinishAnswer,
    LeaseAnswer,
    LeaseRequest,
    RenewAnswer,
    RenewRequest,
    WorkerSetup,
)
from melonkube.trainer.worker.http import Api, Patience, Token


class TunerCalls:
    """The tuner's calls; a heartbeat makes its own. Used by one thread.

    Each raises ``Refused`` when the tuner will not have it, ``TokenRefused`` when it did not take the token, and
    ``Abandoned`` when patience ended.

    Args:
        api: The tuner.
        token: Replaced when an answer brings a fresh one.
    """

    def __init__(self, api: Api, token: Token) -> None:
        self._api = api
        self.token = token
        """The newest."""

    def setup(self, patience: Patience) -> WorkerSetup:
        """Return what holds for all trials."""
        return WorkerSetup.model_validate_json(self._api.call("GET", "/worker/v1/setup", patience).content)

    def lease(self, request: LeaseRequest, patience: Patience) -> LeaseAnswer:
        """Ask for work."""
        answer = LeaseAnswer.model_validate_json(self._post("lease", request, request.wait_seconds, patience))
        self.token.replace(answer.token)
        return answer

    def renew(self, run_id: str, request: RenewRequest, patience: Patience) -> RenewAnswer:
        """Renew a lease once, beside the heartbeat."""
        answer = RenewAnswer.model_validate_json(self._post(f"leases/{run_id}/renew", request, 0.0, patience))
        self.token.replace(answer.token)
        return answer

    def complete(self, run_id: str, request: CompleteRequest, patience: Patience) -> FinishAnswer:
        """Hand in a trial's result."""
        return self._finish(f"leases/{run_id}/complete", request, request.wait_seconds, patience)

    def evaluated(self, run_id: str, request: EvaluationResult, patience: Patience) -> FinishAnswer:
        """Hand in the scores on the holdout."""
        return self._finish(f"leases/{run_id}/evaluated", request, request.wait_seconds, patience)

    def fail(self, run_id: str, request: FailRequest, patience: Patience) -> FinishAnswer:
        """Tell that an attempt ended without a result."""
        return self._finish(f"leases/{run_id}/fail", request, request.wait_seconds, patience)

    def _finish(self, path: str, request: BaseModel, wait_seconds: float, patience: Patience) -> FinishAnswer:
        answer = FinishAnswer.model_validate_json(self._post(path, request, wait_seconds, patience))
        self.token.replace(answer.next.token)
        return answer

    def _post(self, path: str, request: BaseModel, wait_seconds: float, patience: Patience) -> bytes:
        content = request.model_dump_json().encode()
        path = f"/worker/v1/{path}"
        return self._api.call("POST", path, patience, content=content, wait_seconds=wait_seconds).content
