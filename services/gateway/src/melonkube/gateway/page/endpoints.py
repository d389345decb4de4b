"""The page at every address that is not the API's: the router of the page itself reads the address."""

import asyncio
from pathlib import Path, PurePosixPath

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from melonkube.gateway.page.assets import IMMUTABLE_FOLDER, INDEX, Asset, AssetStore, accepts_gzip, matches_etag
from melonkube.kit.errors import NotFound

_RESERVED = ("api", "internal", "worker", "v1", "v2")
"""First segments that are never the page's."""

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

_NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>MelonKube</title>
<style>body { font: 16px/1.6 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1rem; }</style>
<h1>The page is not built</h1>
<p>MelonKube runs and its API answers, but the web page has not been built yet. In the checkout, run
<code>make setup</code>, then reload.</p>
<p lang="ko">MelonKube는 실행 중이고 API도 응답하지만, 웹 페이지가 아직 빌드되지 않았습니다. 체크아웃 폴더에서
<code>make setup</code>을 실행한 다음 새로 고치십시오.</p>
<p><a href="/api/openapi.json">/api/openapi.json</a></p>
</html>
"""
_NOT_BUILT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


def page_router(folder: Path | None) -> APIRouter:
    """Return the endpoints that serve the page from ``folder``; they must come after all others."""
    router = APIRouter(include_in_schema=False)
    store = AssetStore(folder) if folder is not None else None

    async def nothing(rest: str = "") -> None:
        raise NotFound("There is nothing at this address; /api/openapi.json lists what there is.")

    for segment in _RESERVED:
        router.add_api_route(f"/{segment}", nothing, methods=_METHODS)
        router.add_api_route(f"/{segment}/{{rest:path}}", nothing, methods=_METHODS)

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def page(request: Request, path: str) -> Response:
        for_person = not path.startswith(IMMUTABLE_FOLDER) and _is_navigation(request, path)
        asset = await asyncio.to_thread(_find, store, path, for_person) if store is not None else None
        if asset is not None:
            return _answer(request, asset)
        if not for_person:
            raise NotFound("There is no such file; reload the page.")
        return HTMLResponse(
            _NOT_BUILT,
            status_code=503,
            headers={"Content-Security-Policy": _NOT_BUILT_POLICY, "Cache-Control": "no-store", "Retry-After": "30"},
        )

    return router


def _is_navigation(request: Request, path: str) -> bool:
    # A page's own address may end like a file's (a model named v1.2), so what the browser wants decides.
    return "text/html" in request.headers.get("accept", "") or not PurePosixPath(path).suffix


def _find(store: AssetStore, path: str, for_person: bool) -> Asset | None:
    found = store.get(path or INDEX)
    return store.get(INDEX) if found is None and for_person else found


def _answer(request: Request, asset: Asset) -> Response:
    headers = {"Cache-Control": asset.cache_control, "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if asset.policy is not None:
        headers["Content-Security-Policy"] = asset.policy
    if matches_etag(request.headers.get("if-none-match", ""), asset.etag):
        return Response(status_code=304, headers=headers)
    body = asset.body
    if asset.compressed is not None and accepts_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        body = asset.compressed
    return Response(body, media_type=asset.content_type, headers=headers)
