"""Which model answers for which endpoint: one immutable reference each, replaced whole."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from melonkube.serving.predict.answers import AnswerWriter
from melonkube.serving.predict.served import ServedModel
from melonkube.serving.predict.stats import EndpointCollector, EndpointStats

PREFIX = "/api/v1/endpoints"


@dataclass(frozen=True, slots=True)
class Live:
    """What answers for an endpoint now. A call keeps the one it began with, whatever is swapped in meanwhile."""

    workspace_id: str
    name: str
    model: str
    version: int
    served: ServedModel
    stats: EndpointStats
    writer: AnswerWriter = field(init=False)

    def __post_init__(self) -> None:
        writer = AnswerWriter(self.served.signature, self.model, self.version, self.served.digest)
        object.__setattr__(self, "writer", writer)


class LiveTable:
    """All endpoints that answer. Read and written on the event loop alone."""

    def __init__(self, collector: EndpointCollector) -> None:
        self._collector = collector
        self._by_path: dict[bytes, dict[str, Live]] = {}
        self.at_path = self._by_path.get
        """Returns what answers at a path, as sent, by workspace; None if nothing does."""

    def get(self, workspace_id: str, name: str) -> Live | None:
        """Return what answers for an endpoint."""
        return self._by_path.get(_path(name), {}).get(workspace_id)

    def swap(self, live: Live) -> None:
        """Let ``live`` answer from the next call on."""
        self._by_path.setdefault(_path(live.name), {})[live.workspace_id] = live
        live.stats.swaps += 1
        self._collector.versions[live.workspace_id, live.name] = (live.model, live.version)
        self._count()

    def remove(self, workspace_id: str, name: str) -> None:
        """Let an endpoint answer no more."""
        path = _path(name)
        found = self._by_path.get(path, {})
        found.pop(workspace_id, None)
        if not found:
            self._by_path.pop(path, None)
        self._collector.forget(workspace_id, name)
        self._count()

    def __iter__(self) -> Iterator[Live]:
        for found in self._by_path.values():
            yield from found.values()

    def _count(self) -> None:
        self._collector.loaded_models = len({live.served.digest for live in self})


def _path(name: str) -> bytes:
    return f"{PREFIX}/{name}/predict".encode()
