"""What is said of a request that is not valid: words, and a pointer into what was sent."""

from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import APIRouter

from melonkube.contracts.base import Name, Request, Slug
from melonkube.contracts.ids import Id
from melonkube.kit.app import create_service_app
from melonkube.kit.tokens import TokenKey, TokenVerifier
from tests.kit.test_app import nothing


class Thing(Request):
    name: Name
    slug: Slug = "a"
    id: Id = "01900000-0000-7000-8000-000000000000"


async def send(token_key: TokenKey, content: bytes, content_type: str, path: str = "/things") -> httpx.Response:
    router = APIRouter()

    @router.post("/things")
    async def create(body: Thing) -> Thing:
        return body

    app = create_service_app(
        service="kit", title="Kit", routers=[router], lifespan=nothing, verifier=TokenVerifier(token_key, "kit")
    )
    async with (
        LifespanManager(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as client,
    ):
        return await client.post(path, content=content, headers={"content-type": content_type})


@pytest.mark.parametrize(
    ("content", "pointer", "detail"),
    [
        (b"{", "", "The body is not JSON: Expecting property name enclosed in double quotes (character 1)."),
        (b'{"name": "a/b"}', "/name", "must hold no slash and no control character, and must not begin or end"),
        (b'{"name": "."}', "/name", "must not be '.' or '..'"),
        (b'{"name": ".."}', "/name", "must not be '.' or '..'"),
        (b'{"name": "a", "slug": "A_b"}', "/slug", "must be of lower-case letters, digits and hyphens"),
        (b'{"name": "a", "id": "5"}', "/id", "must be an id, such as 01900000-"),
        (b'{"name": "a", "more": 1}', "/more", "is not a field here; leave it out"),
        (b"{}", "/name", "is required"),
        (b'{"name": "a\\u0000"}', "", "texts must not hold the character U+0000"),
    ],
)
async def test_a_fault_in_words(token_key: TokenKey, content: bytes, pointer: str, detail: str) -> None:
    answer = await send(token_key, content, "application/json")
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert [item["pointer"] for item in problem["errors"]] == [pointer]
    assert problem["errors"][0]["detail"].startswith(detail)
    assert problem["errors"][0]["detail"].rstrip(".") in problem["detail"]


@pytest.mark.parametrize(
    "content",
    [b'{"name": "\xff"}', b'{"name": ' + b"9" * 5000 + b"}", b"[" * 100_000],
    ids=["not UTF-8", "endless number", "endless nesting"],
)
async def test_what_no_parser_takes(token_key: TokenKey, content: bytes) -> None:
    answer = await send(token_key, content, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["detail"].startswith("The body cannot be read as JSON: it must be UTF-8")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_of_another_type(token_key: TokenKey, content_type: str) -> None:
    answer = await send(token_key, b'{"name": "a"}', content_type)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "Content-Type: application/json" in answer.json()["detail"]


async def test_a_slash_too_many_is_not_redirected_to_where_nobody_can_go(token_key: TokenKey) -> None:
    answer = await send(token_key, b'{"name": "a"}', "application/json", "/things/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "location" not in answer.headers
