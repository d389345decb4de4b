"""The informer of the Kubernetes executor against a scripted API."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from melonkube.tuner.executors.kubernetes.api import ApiFailed
from melonkube.tuner.executors.kubernetes.informer import Informer


def thing(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "resourceVersion": str(version)}}


class Scripted:
    """An API that plays lists and watches in turn."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.asked: list[dict[str, str]] = []
        self.done = asyncio.Event()

    def next(self, kind: str) -> Any:
        if not self.steps:
            self.done.set()
            raise ApiFailed(0, "Unreachable", "nothing more")
        assert self.steps[0][0] == kind
        step = self.steps.pop(0)[1]
        if isinstance(step, Exception):
            raise step
        return step

    async def call(self, method: str, path: str, query: dict[str, str]) -> Any:
        self.asked.append(dict(query))
        return self.next("list")

    async def watch(self, path: str, query: dict[str, str], seconds: int) -> AsyncIterator[Any]:
        self.asked.append(dict(query))
        for event in self.next("watch"):
            yield event


def page(version: int, *items: Any, more: str = "") -> tuple[str, Any]:
    return "list", {"items": list(items), "metadata": {"resourceVersion": str(version), "continue": more}}


async def follow(*steps: Any) -> tuple[Informer, Scripted, list[tuple[str, bool]]]:
    api, told = Scripted(*steps), list[tuple[str, bool]]()
    informer = Informer(api, "/things", "a=b", lambda each, gone: told.append((each["metadata"]["name"], gone)))  # type: ignore[arg-type]
    task = asyncio.create_task(informer.run())
    async with asyncio.timeout(20):
        done, _ = await asyncio.wait({task, asyncio.create_task(api.done.wait())}, return_when=asyncio.FIRST_COMPLETED)
    assert done
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return informer, api, told


async def test_an_informer_lists_in_pages_and_follows_from_there() -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}
    events = [{"type": "ADDED", "object": thing("c", 7)}, {"type": "DELETED", "object": thing("a", 8)}, bookmark]
    informer, api, told = await follow(
        page(5, thing("a", 1), more="next"), page(5, thing("b", 2)), ("watch", events), ("watch", [])
    )
    assert told == [("a", False), ("b", False), ("c", False), ("a", True)]
    assert set(informer.objects) == {"n/b", "n/c"}
    assert api.asked[1]["continue"] == "next"
    assert [each.get("resourceVersion") for each in api.asked[2:4]] == ["5", "9"]


@pytest.mark.parametrize("gone", [ApiFailed(410, "Expired", "too old"), None], ids=["status", "event"])
async def test_an_expired_watch_lists_again_and_tells_what_was_missed(gone: ApiFailed | None) -> None:
    error = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
    informer, _, told = await follow(
        page(5, thing("a", 1), thing("b", 2)),
        ("watch", gone or [error]),
        page(9, thing("b", 2), thing("c", 8)),
        ("watch", []),
    )
    assert told == [("a", False), ("b", False), ("a", True), ("c", False)]
    assert informer.lists == 2


async def test_an_outage_is_outlived_without_a_new_list() -> None:
    away = ApiFailed(0, "Unreachable", "away")
    informer, api, told = await follow(
        page(5),
        ("watch", away),
        ("watch", away),
        ("watch", [{"type": "ADDED", "object": thing("a", 6)}]),
        ("watch", []),
    )
    assert told == [("a", False)]
    assert informer.lists == 1
    assert [each.get("resourceVersion") for each in api.asked[1:5]] == ["5", "5", "5", "6"]


async def test_what_is_not_allowed_is_not_followed() -> None:
    informer, _, told = await follow(("list", ApiFailed(403, "Forbidden", "no")))
    assert informer.forbidden
    assert informer.synced.is_set()
    assert told == []
