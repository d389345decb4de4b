"""A running suite for the tests of a module."""

from collections.abc import Iterator

import pytest

from melonkube.suite.embedded import Suite
from tests.e2e.api import Api


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """The four services and two workers on free ports, with a data directory of their own."""
    with Suite(tmp_path_factory.mktemp("suite data"), workers=2, port=0) as running:
        yield running


@pytest.fixture(scope="module")
def api(suite: Suite) -> Iterator[Api]:
    """A plain client of that suite."""
    with Api(suite.url) as client:
        yield client
