"""What must hold of an experiment whose trials run in an image of the user's. Pure."""

from melonkube.contracts.errors import ErrorCode, ProblemItem
from melonkube.contracts.experiments import CONTAINER, ExperimentCreate
from melonkube.contracts.workload import placeholders
from melonkube.tuner.experiments.inference import pointer


def container_faults(request: ExperimentCreate) -> list[ProblemItem]:
    """Return what is wrong with a request's container, whatever the data; nothing where it has none and names none."""
    container = request.container
    if container is None:
        if request.trainer != CONTAINER:
            return []
        detail = "The trainer 'container' runs an image of yours: give container, with its image and command."
        return [_fault(ErrorCode.INVALID_REQUEST, detail, "container")]
    faults = []
    if request.trainer != CONTAINER:
        detail = f"With a container the trainer is 'container', not {request.trainer!r}; leave trainer out."
        faults.append(_fault(ErrorCode.INVALID_REQUEST, detail, "trainer"))
    if request.trials_per_worker != 1:
        detail = "A pod of a container is one trial: trials_per_worker must be 1, or be left out."
        faults.append(_fault(ErrorCode.INVALID_REQUEST, detail, "trials_per_worker"))
    if request.search_space is None:
        detail = "search_space is needed: nothing is known of what the container's parameters may be."
        faults.append(_fault(ErrorCode.SEARCH_SPACE_INVALID, detail, "search_space"))
        return faults
    for position, argument in enumerate(container.command):
        for written, name in placeholders(argument):
            if name is not None and name in request.search_space:
                continue
            if name is None:
                detail = f"The command has {written}, which stands for nothing; write {{{{params.NAME}}}}."
                code = ErrorCode.INVALID_REQUEST
            else:
                detail = f"The command has {written}, but {name!r} is not in search_space."
                code = ErrorCode.PARAMETER_UNKNOWN
            faults.append(_fault(code, detail, "container", "command", str(position)))
    return faults


def _fault(code: ErrorCode, detail: str, *place: str) -> ProblemItem:
    return ProblemItem(pointer=pointer(*place), code=code, detail=detail)
