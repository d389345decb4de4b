"""The built page."""

import gzip
from pathlib import Path

import pytest

from melonkube.gateway.page.assets import AssetStore, accepts_gzip, matches_etag, page_policy
from tests.gateway.conftest import INDEX
from tests.gateway.process import GatewayProcess

HTML = {"Accept": "text/html,*/*"}


@pytest.mark.parametrize("path", ["/", "/index.html", "/experiments/abc", "/models/flights.v1.2"])
def test_every_address_of_the_page_gives_the_page(gateway: GatewayProcess, path: str) -> None:
    answer = gateway.http.get(path, headers=HTML)
    assert answer.content == INDEX
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self' 'sha256-" in policy
    assert "'unsafe-inline'" not in policy.partition("style-src")[0]
    assert answer.headers["referrer-policy"] == "same-origin"


def test_an_asset_is_kept_for_good_and_sent_compressed(gateway: GatewayProcess) -> None:
    answer = gateway.http.get("/assets/app-1.js", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.content == b"console.log('a page');\n" * 200
    plain = gateway.http.get("/assets/app-1.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content


def test_what_has_not_changed_is_not_sent_again(gateway: GatewayProcess) -> None:
    first = gateway.http.get("/")
    again = gateway.http.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]


def test_head_gives_the_head_alone(gateway: GatewayProcess) -> None:
    answer = gateway.http.head("/")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(INDEX))


@pytest.mark.parametrize("path", ["/assets/gone-2.js", "/assets/", "/favicon.ico"])
def test_a_file_that_is_not_there_is_not_the_page(gateway: GatewayProcess, path: str) -> None:
    answer = gateway.http.get(path, headers={"Accept": "image/*"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1/nothing", "/api/v2/runs", "/internal/changes", "/worker/v1/lease", "/v1/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_what_is_not_the_page_is_a_problem(gateway: GatewayProcess, method: str, path: str) -> None:
    answer = gateway.http.request(method, path, headers=HTML)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/api/v1/runs/../../../internal/x", "/api/v1/runs/%2e%2e/x", "/api/v1/./runs", "/api/v1/runs/x/.."]
)
def test_dot_segments_go_nowhere(gateway: GatewayProcess, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost:{gateway.port}\r\nConnection: close\r\n\r\n"
    assert gateway.ask(request.encode()).startswith(b"HTTP/1.1 404")


def test_without_a_page_the_reader_is_told_what_to_do(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path / "run", {}, MELON_WEB_DIR=str(tmp_path / "missing")) as gateway:
        answer = gateway.http.get("/", headers=HTML)
        assert answer.status_code == 503
        assert "make setup" in answer.text
        assert "아직 빌드되지 않았습니다" in answer.text
        (tmp_path / "missing").mkdir()
        (tmp_path / "missing" / "index.html").write_bytes(INDEX)
        assert gateway.http.get("/", headers=HTML).content == INDEX


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    store = AssetStore(folder)
    for path in ("../secret.txt", "link.txt", "/etc/passwd", "a\0b", "x" * 5000, "..", "."):
        assert store.get(path) is None


def test_a_new_build_is_seen(tmp_path: Path) -> None:
    store = AssetStore(tmp_path)
    assert store.get("a.txt") is None
    (tmp_path / "a.txt").write_text("one")
    first = store.get("a.txt")
    assert first is not None
    assert store.get("a.txt") is first
    (tmp_path / "a.txt").write_text("other")
    second = store.get("a.txt")
    assert second is not None
    assert (second.body, second.etag != first.etag) == (b"other", True)


def test_small_and_packed_files_are_not_compressed(tmp_path: Path) -> None:
    (tmp_path / "a.woff2").write_bytes(bytes(5000))
    (tmp_path / "b.css").write_bytes(b"a{}")
    (tmp_path / "c.css").write_bytes(b"a{} " * 1000)
    store = AssetStore(tmp_path)
    compressed = {name: asset.compressed for name in ("a.woff2", "b.css", "c.css") if (asset := store.get(name))}
    assert compressed["a.woff2"] is None
    assert compressed["b.css"] is None
    assert gzip.decompress(compressed["c.css"] or b"") == b"a{} " * 1000


def test_only_scripts_written_inside_are_named() -> None:
    policy = page_policy(b"<script src=/a.js></script><SCRIPT type=module>x()</SCRIPT>")
    assert policy.count("'sha256-") == 1


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("br", False),
        ("", False),
        ("gzip;q=x", False),
    ],
)
def test_what_a_client_can_unpack(header: str, taken: bool) -> None:
    assert accepts_gzip(header) is taken


@pytest.mark.parametrize(
    ("header", "same"), [('W/"a"', True), ('"a"', True), ('"b", W/"a"', True), ("*", True), ('"b"', False), ("", False)]
)
def test_which_copy_a_client_has(header: str, same: bool) -> None:
    assert matches_etag(header, 'W/"a"') is same
