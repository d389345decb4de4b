"""A gateway before one upstream that plays all three services."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.process import GatewayProcess
from tests.gateway.upstream import Upstream

INDEX = b"<!doctype html><title>page</title><script>theme()</script><script type=module src=/assets/app-1.js></script>"


@pytest.fixture(scope="package")
def any_upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def upstream(any_upstream: Upstream) -> Upstream:
    any_upstream.forget()
    return any_upstream


@pytest.fixture(scope="package")
def page_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web dist")
    (folder / "assets").mkdir()
    (folder / "index.html").write_bytes(INDEX)
    (folder / "assets" / "app-1.js").write_bytes(b"console.log('a page');\n" * 200)
    (folder / "favicon.svg").write_bytes(b"<svg/>")
    return folder


@pytest.fixture(scope="package")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, any_upstream: Upstream, page_dir: Path
) -> Iterator[GatewayProcess]:
    peers = dict.fromkeys(("registry", "tuner", "serving"), any_upstream.url)
    with GatewayProcess(
        tmp_path_factory.mktemp("gateway"), peers, MELON_WEB_DIR=str(page_dir), MELON_GATEWAY__HOSTS="melon.example"
    ) as process:
        yield process
