"""``/worker/v1``: what workers call. Never forwarded by the gateway."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from melonkube.contracts.ids import Id
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
from melonkube.kit.auth import Worker, bearer
from melonkube.kit.errors import NotFound, problem_responses
from melonkube.tuner.leases.service import Caller, LeaseService

router = APIRouter(prefix="/worker/v1", tags=["worker"], responses=problem_responses(NotFound))


async def _caller(request: Request, principal: Worker) -> Caller:
    return Caller(principal, bearer(request.headers.get("authorization")))


async def _service(request: Request) -> LeaseService:
    service: LeaseService = request.app.state.tuner.leases
    return service


CallerDep = Annotated[Caller, Depends(_caller)]
ServiceDep = Annotated[LeaseService, Depends(_service)]


@router.get("/setup")
async def get_worker_setup(caller: CallerDep, service: ServiceDep) -> WorkerSetup:
    """What holds for all trials of the worker's experiment."""
    return await service.setup(caller)


@router.post("/lease")
async def lease_work(body: LeaseRequest, caller: CallerDep, service: ServiceDep) -> LeaseAnswer:
    """Ask for work; waits up to `wait_seconds` for some. A worker that holds a lease is given that one again."""
    return await service.lease(caller, body)


@router.post("/leases/{run_id}/renew")
async def renew_lease(run_id: Id, body: RenewRequest, caller: CallerDep, service: ServiceDep) -> RenewAnswer:
    """The heartbeat: keeps the lease and brings the reports."""
    return await service.renew(caller, run_id, body)


@router.post("/leases/{run_id}/complete")
async def complete_lease(run_id: Id, body: CompleteRequest, caller: CallerDep, service: ServiceDep) -> FinishAnswer:
    """A trial's result; the answer carries the next trial."""
    return await service.complete(caller, run_id, body)


@router.post("/leases/{run_id}/evaluated")
async def finish_evaluation(run_id: Id, body: EvaluationResult, caller: CallerDep, service: ServiceDep) -> FinishAnswer:
    """The scores on the holdout."""
    return await service.evaluated(caller, run_id, body)


@router.post("/leases/{run_id}/fail")
async def fail_lease(run_id: Id, body: FailRequest, caller: CallerDep, service: ServiceDep) -> FinishAnswer:
    """An attempt that ended without a result, and why."""
    return await service.fail(caller, run_id, body)
