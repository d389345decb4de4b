"""One real suite and one Chromium for all tests of the page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser

from melonkube.suite.embedded import Suite
from tests.browser.chromium import Window, chromium
from tests.e2e.api import Api, table
from tests.support.suite import running_suite

OpenWindow = Callable[..., Window]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep them in one process: the suite and the browser are shared."""
    for item in items:
        if item.nodeid.startswith("tests/browser/"):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="package")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """The four services and two workers."""
    with running_suite(tmp_path_factory.mktemp("browser suite")) as running:
        yield running


@pytest.fixture(scope="package")
def api(suite: Suite) -> Iterator[Api]:
    """The same suite without the page."""
    with Api(suite.url) as client:
        yield client


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture
def open_window(browser: Browser, suite: Suite) -> Iterator[OpenWindow]:
    """Opens windows on the page; at the end of the test none may hold a fault."""
    windows: list[Window] = []

    def make(**options: Any) -> Window:
        windows.append(Window(browser, suite.url, **options))
        return windows[-1]

    yield make
    for window in windows:
        window.close()


@dataclass(frozen=True)
class World:
    """Something of each kind to look at."""

    dataset_id: str
    experiment_id: str
    experiment: str
    endpoint: str


@pytest.fixture(scope="package")
def world(api: Api) -> World:
    """A data set, a finished experiment on it, and an endpoint with its winner."""
    dataset = api.upload(table(600, hard=True), "looked-at")
    made = api.tune(dataset["id"], name="looked-at experiment", seed=7, budget={"max_trials": 12})
    assert api.wait(made["id"])["state"] == "completed"
    api.deploy("looked-at", experiment_id=made["id"])
    return World(dataset["id"], made["id"], made["name"], "looked-at")
