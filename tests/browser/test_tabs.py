"""Several tabs of one browser, which has six connections to the server for all of them."""

import re
from typing import Any

import pytest
from playwright.sync_api import Error, Page, Request, expect

from tests.browser.conftest import OpenWindow
from tests.e2e.api import Api, table


class Streams:
    """The event streams that tabs hold open."""

    def __init__(self) -> None:
        self.open: list[Request] = []
        self.most = 0

    def watch(self, page: Page) -> Page:
        page.on("request", self._began)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._ended)
        page.on("close", self._left)
        page.on("crash", self._left)
        return page

    def reader(self, other: Page) -> Page:
        """Wait until one stream is open, and only one; return its tab.

        While one tab takes over from another, what is told of the two may come in either order.
        """
        for _ in range(300):
            if len(self.open) == 1:
                return self.open[0].frame.page
            other.wait_for_timeout(100)
        raise AssertionError(f"{len(self.open)} streams are open")

    def _began(self, request: Request) -> None:
        if request.url.endswith("/events"):
            self.open.append(request)
            self.most = max(self.most, len(self.open))

    def _ended(self, request: Request) -> None:
        if request in self.open:
            self.open.remove(request)

    def _left(self, page: Page) -> None:
        self.open = [request for request in self.open if request.frame.page != page]


def _waiting(api: Api, dataset: dict[str, Any], name: str, trials: int) -> str:
    """Make an experiment that is paused before it has done much."""
    made = api.tune(dataset["id"], name=name, budget={"max_trials": trials})
    api.http.post(f"/api/v1/experiments/{made['id']}/pause").raise_for_status()
    return str(made["id"])


def _see(pages: list[Page], state: str) -> None:
    for page in pages:
        expect(page.get_by_test_id("experiment-state")).to_have_text(state, timeout=60_000)


def test_one_stream_for_all_tabs(open_window: OpenWindow, api: Api) -> None:
    experiment = _waiting(api, api.upload(table(1500, hard=True), "many tabs"), "many tabs", 2000)
    path = f"/api/v1/experiments/{experiment}"
    window, streams = open_window(), Streams()
    # One more than a browser has connections.
    pages = [streams.watch(page) for page in [window.page, *(window.tab() for _ in range(6))]]
    for page in pages:
        page.goto(f"/experiments/{experiment}")
    _see(pages, "Paused")
    api.http.post(f"{path}/resume").raise_for_status()
    _see(pages, "Running")
    for ending in ("closed", "crashed"):
        leader = streams.reader(pages[-1])
        pages.remove(leader)
        if ending == "closed":
            leader.close()
        else:
            with pytest.raises(Error, match="crash"):
                leader.goto("chrome://crash")
        # Whoever is left goes on.
        api.http.post(f"{path}/pause").raise_for_status()
        _see(pages, "Paused")
        late = streams.watch(window.tab())
        late.goto(f"/experiments/{experiment}")
        pages.append(late)
        _see(pages, "Paused")
        api.http.post(f"{path}/resume").raise_for_status()
        _see(pages, "Running")
    for page in pages:
        expect(page.get_by_role("button", name="Open trial 3", exact=True)).to_be_visible()
    streams.reader(pages[-1])
    api.http.post(f"{path}/stop").raise_for_status()
    _see(pages, "Stopped")
    trials = len(api.trials(experiment))
    for page in pages:
        expect(page.get_by_text(re.compile(f"^{trials} trials$"))).to_be_visible()
    assert streams.most <= 2  # the second while it takes over


def test_few_streams_for_many_experiments(open_window: OpenWindow, api: Api) -> None:
    dataset = api.upload(table(1500, hard=True), "many experiments")
    experiments = [_waiting(api, dataset, f"beside {number}", 3) for number in range(7)]
    window, streams = open_window(), Streams()
    pages = [streams.watch(page) for page in [window.page, *(window.tab() for _ in range(6))]]
    for page, experiment in zip(pages, experiments, strict=True):
        page.goto(f"/experiments/{experiment}")
    _see(pages, "Paused")
    for experiment in experiments:
        api.http.post(f"/api/v1/experiments/{experiment}/stop").raise_for_status()
    _see(pages, "Stopped")
    # Three, and one that begins where another's end has not been told yet; six would be all that a browser has.
    assert 1 <= streams.most <= 4
