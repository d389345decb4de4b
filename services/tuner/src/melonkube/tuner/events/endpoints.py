"""``/api/v1/experiments/{id}/events``: what happens, as it happens (server-sent events, WHATWG HTML 9.2)."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from melonkube.contracts.events import Event, EventType
from melonkube.contracts.experiments import ExperimentState
from melonkube.contracts.ids import Id
from melonkube.kit.auth import User
from melonkube.kit.db import Database, database_away
from melonkube.kit.errors import Gone, InvalidRequest, NotFound, problem_responses
from melonkube.tuner.events import repository
from melonkube.tuner.events.bell import Bell, rung
from melonkube.tuner.experiments import repository as experiments
from melonkube.tuner.tables import EventRow

router = APIRouter(prefix="/api/v1/experiments/{experiment_id}/events", tags=["experiments"])

HEARTBEAT_SECONDS = 15.0
LOOK_AGAIN_SECONDS = 2.0
BATCH = 200


class EventStreams:
    """Streams of events. One per process; :meth:`close` ends all of them, so that the process can end."""

    def __init__(self, db: Database, bell: Bell, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._db = db
        self._bell = bell
        self._heartbeat = heartbeat_seconds
        self._closed = asyncio.Event()

    def close(self) -> None:
        """End every stream; clients come back by themselves."""
        self._closed.set()
        self._bell.ring_all()

    async def check(self, workspace_id: str, experiment_id: str, after: int) -> int:
        """Return where to begin.

        Raises:
            NotFound: The experiment is not there.
            Gone: Events after ``after`` are not kept any more, or it is none of this experiment's.
        """
        async with self._db.read() as session:
            row = await experiments.get(session, workspace_id, experiment_id)
            first = await repository.first(session, workspace_id, experiment_id)
        oldest = first if first is not None else row.last_event + 1
        if after > row.last_event or (0 < after < oldest - 1):
            raise Gone("These events are not kept any more: read the experiment again and go on from its last_event.")
        return max(after, oldest - 1)

    async def stream(self, workspace_id: str, experiment_id: str, after: int) -> AsyncGenerator[str]:
        """Yield every event after ``after`` until the one that tells of the final state."""
        yield "retry: 1000\n\n"
        spoke = time.monotonic()
        with self._bell.listen(experiment_id) as bell:
            while not self._closed.is_set():
                bell.clear()
                try:
                    events, over = await self._read(workspace_id, experiment_id, after)
                except NotFound:
                    return
                except Exception as error:
                    if not database_away(error):
                        raise
                    events, over = [], False
                for event in events:
                    after = event.seq
                    yield _message(event)
                if over:
                    return
                if events:
                    spoke = time.monotonic()
                    continue
                await rung(bell, min(LOOK_AGAIN_SECONDS, self._heartbeat))
                if time.monotonic() - spoke >= self._heartbeat:
                    spoke = time.monotonic()
                    yield ": alive\n\n"

    async def _read(self, workspace_id: str, experiment_id: str, after: int) -> tuple[list[EventRow], bool]:
        """Return the next events, and whether none will follow them."""
        async with self._db.read() as session:
            row = await experiments.get(session, workspace_id, experiment_id)
            events = list(await repository.after(session, workspace_id, experiment_id, after, BATCH))
        last = events[-1].seq if events else after
        return events, ExperimentState(row.state).final and last >= row.last_event


def _message(row: EventRow) -> str:
    event = Event.model_construct(
        seq=row.seq, experiment_id=row.experiment_id, type=EventType(row.type), at=row.at, data=row.data
    )
    return f"id: {row.seq}\nevent: {row.type}\ndata: {event.model_dump_json()}\n\n"


async def _streams(request: Request) -> EventStreams:
    streams: EventStreams = request.app.state.tuner.streams
    return streams


@router.get(
    "",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "`text/event-stream`: the `data` of each message is an `Event`, its `id` the `seq`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problem_responses(NotFound, Gone),
    },
)
async def stream_events(
    experiment_id: Id,
    user: User,
    streams: Annotated[EventStreams, Depends(_streams)],
    after: Annotated[int | None, Query(ge=0, description="Begin after this event.")] = None,
    last_event_id: Annotated[str | None, Header(description="Where a reader that comes back left off.")] = None,
) -> StreamingResponse:
    """The events of an experiment, from the first that is kept or after a given one, until it has ended."""
    begin = after or 0
    if last_event_id:
        if not last_event_id.isascii() or not last_event_id.isdigit() or len(last_event_id) > 18:
            raise InvalidRequest("Last-Event-ID must be the id of an event of this stream.")
        begin = int(last_event_id)
    begin = await streams.check(user.workspace_id, experiment_id, begin)
    return StreamingResponse(
        streams.stream(user.workspace_id, experiment_id, begin),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
