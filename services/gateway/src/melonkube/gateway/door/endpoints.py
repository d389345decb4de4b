"""Signing in with the owner's key, where there is one: a page that works without any script."""

import html
import time
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from melonkube.gateway.door.keys import COOKIE, OwnerKey
from melonkube.gateway.door.middleware import SIGN_IN
from melonkube.kit.errors import BodyTooLarge

_FORM_LIMIT = 4096
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_TEXTS = {
    "en": {"title": "Sign in", "label": "The owner's key", "button": "Sign in", "wrong": "That is not the key."},
    "ko": {"title": "로그인", "label": "소유자 키", "button": "로그인", "wrong": "키가 맞지 않습니다."},
}
_PAGE = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title} · MelonKube</title>
<style>
  :root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
  main {{ max-width: 22rem; margin: 20vh auto; padding: 0 1rem; }}
  label, input, button {{ display: block; width: 100%; box-sizing: border-box; }}
  input, button {{ font: inherit; padding: .5rem; margin: .25rem 0 1rem; }}
</style>
<main>
  <h1>MelonKube</h1>
  <form method="post" action="/sign-in">
    <label for="key">{label}</label>
    <input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
    {message}
    <button>{button}</button>
  </form>
</main>
</html>
"""


def sign_in_router(owner: OwnerKey, session_seconds: float) -> APIRouter:
    """Return the endpoints with which a browser signs in and out."""
    router = APIRouter(include_in_schema=False)

    @router.get(SIGN_IN)
    async def sign_in_page(request: Request) -> Response:
        return _page(request, wrong=False)

    @router.post(SIGN_IN)
    async def sign_in(request: Request) -> Response:
        form = parse_qs((await _small_body(request)).decode("utf-8", "replace"))
        if not owner.matches(form.get("key", [""])[0]):
            return _page(request, wrong=True)
        answer = RedirectResponse("/", status_code=303)
        now = time.time()
        answer.set_cookie(
            COOKIE,
            owner.new_session(now),
            max_age=int(session_seconds),
            httponly=True,
            samesite="strict",
            secure=_https(request),
        )
        return answer

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        answer = RedirectResponse(SIGN_IN, status_code=303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_https(request))
        return answer

    return router


def _https(request: Request) -> bool:
    # Behind a proxy that ends TLS, the browser's Origin is what tells the scheme that the person sees.
    return request.headers.get("origin", "").startswith("https://")


async def _small_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_LIMIT:
            raise BodyTooLarge("A sign-in is a few hundred bytes long.")
    return bytes(body)


def _page(request: Request, *, wrong: bool) -> HTMLResponse:
    language = "ko" if request.headers.get("accept-language", "").lower().startswith("ko") else "en"
    texts = {name: html.escape(text) for name, text in _TEXTS[language].items()}
    message = f'<p role="alert">{texts["wrong"]}</p>' if wrong else ""
    return HTMLResponse(
        _PAGE.format(language=language, message=message, **texts),
        status_code=401 if wrong else 200,
        headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"},
    )
