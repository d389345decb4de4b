"""The chassis: sessions, errors, ids, health; on both databases where one is used."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import APIRouter, FastAPI
from sqlalchemy import String, select, text
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.orm import Mapped, mapped_column

from melonkube.contracts.base import Request
from melonkube.kit.app import create_service_app
from melonkube.kit.auth import Service, User, Worker
from melonkube.kit.db import Base, Database, Read, Write, database_away, metadata
from melonkube.kit.errors import InvalidRequest
from melonkube.kit.settings import ServiceSettings
from melonkube.kit.tokens import TokenKey, TokenVerifier
from tests.conftest import MakeToken
from tests.support.postgres import free_port


class KitBase(Base):
    __abstract__ = True
    metadata = metadata()


class Thing(KitBase):
    __tablename__ = "things"
    name: Mapped[str] = mapped_column(String(50), primary_key=True)


class ThingIn(Request):
    name: str


def routes() -> APIRouter:
    router = APIRouter()

    @router.post("/things", status_code=201)
    async def create_thing(body: ThingIn, session: Write) -> ThingIn:
        session.add(Thing(name=body.name))
        await session.flush()
        return body

    @router.post("/late")
    async def fail_late(body: ThingIn, session: Write) -> ThingIn:
        session.add(Thing(name=body.name))
        await session.flush()
        raise InvalidRequest("No.")

    @router.get("/things")
    async def list_things(session: Read) -> list[str]:
        return list((await session.execute(select(Thing.name).order_by(Thing.name))).scalars())

    @router.get("/crash")
    async def crash() -> None:
        raise RuntimeError("secret detail")

    @router.get("/full")
    async def full() -> None:
        raise OSError(28, "No space left on device")

    @router.get("/number")
    async def number(value: int, session: Read) -> None:
        await session.execute(select(Thing.name).limit(value))

    @router.get("/user")
    async def user(who: User) -> str:
        return who.subject

    @router.get("/service")
    async def service(who: Service) -> str:
        return who.subject

    @router.get("/worker")
    async def worker(who: Worker) -> str:
        return who.subject

    return router


async def nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def database(database_settings: ServiceSettings) -> AsyncIterator[Database]:
    database = Database.from_settings(database_settings, "kit")
    async with database.writer.begin() as connection:
        if not database.sqlite:
            await connection.execute(text("CREATE SCHEMA kit"))
        await connection.run_sync(KitBase.metadata.create_all)
    yield database
    await database.close()


@pytest.fixture
async def client(database: Database, token_key: TokenKey) -> AsyncIterator[httpx.AsyncClient]:
    app = create_service_app(
        service="kit",
        title="Kit",
        routers=[routes()],
        lifespan=nothing,
        verifier=TokenVerifier(token_key, "kit"),
        database=database,
    )
    async with (
        LifespanManager(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://kit"
        ) as client,
    ):
        yield client


async def test_a_write_is_committed_when_the_answer_is_there(client: httpx.AsyncClient) -> None:
    answer = await client.post("/things", json={"name": "a"})
    assert answer.status_code == 201
    assert (await client.get("/things")).json() == ["a"]


async def test_an_error_after_a_write_leaves_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/late", json={"name": "a"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await client.get("/things")).json() == []


async def test_two_writers_wait_for_each_other(database: Database) -> None:
    inside = asyncio.Event()

    async def first() -> None:
        async with database.write() as session:
            session.add(Thing(name="a"))
            await session.flush()
            inside.set()
            await asyncio.sleep(0.05)

    async def second() -> None:
        await inside.wait()
        async with database.write() as session:
            session.add(Thing(name="b"))

    await asyncio.gather(first(), second())
    async with database.read() as session:
        assert sorted((await session.execute(select(Thing.name))).scalars()) == ["a", "b"]


async def test_a_failed_write_frees_the_writer(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.write() as session:
            session.add_all([Thing(name="a")])
            await session.flush()
            await session.execute(text("INSERT INTO things VALUES ('a')"))
    async with database.write() as session:
        session.add(Thing(name="a"))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "a", "other": 1}, "/other"),
        ({}, "/name"),
        ({"name": 3}, "/name"),
        ({"name": "a\x00b"}, ""),
        ([], ""),
    ],
)
async def test_a_wrong_body_is_named_by_pointer(client: httpx.AsyncClient, body: object, pointer: str) -> None:
    answer = await client.post("/things", json=body)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "invalid_request"
    assert pointer in [item["pointer"] for item in problem["errors"]]


@pytest.mark.parametrize("content", [b"{", b'{"name": "\\ud800"}', b"\xff", b""])
async def test_rubbish_is_the_callers_fault(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post("/things", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/nowhere", 404, "not_found"), ("/crash", 500, "internal"), ("/full", 507, "storage_full")],
)
async def test_every_error_is_a_problem_with_the_request_id(
    client: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    answer = await client.get(path, headers={"x-request-id": "abc-1"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "abc-1"
    assert "secret" not in answer.text


async def test_a_number_no_database_holds_is_the_callers_fault(client: httpx.AsyncClient) -> None:
    answer = await client.get("/number", params={"value": 2**70})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_wrong_method_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/things")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


async def test_an_insane_request_id_is_replaced(client: httpx.AsyncClient) -> None:
    answer = await client.get("/things", headers={"x-request-id": "a b\t{}"})
    assert len(answer.headers["x-request-id"]) == 36


@pytest.mark.parametrize(
    ("path", "scope", "status"),
    [
        ("/user", "user", 200),
        ("/user", "service", 200),
        ("/user", "worker", 403),
        ("/service", "user", 403),
        ("/service", "service", 200),
        ("/worker", "user", 403),
        ("/worker", "worker", 200),
    ],
)
async def test_scopes(client: httpx.AsyncClient, make_token: MakeToken, path: str, scope: str, status: int) -> None:
    answer = await client.get(path, headers={"authorization": f"Bearer {make_token('kit', scope=scope)}"})
    assert answer.status_code == status


@pytest.mark.parametrize("header", [None, "Basic abc", "Bearer", "Bearer a.b.c"])
async def test_without_a_token_nothing_is_answered(client: httpx.AsyncClient, header: str | None) -> None:
    answer = await client.get("/user", headers={"authorization": header} if header else {})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_health_and_metrics(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200
    await client.get("/things")
    text_ = (await client.get("/metrics")).text
    assert 'http_server_request_duration_seconds_count{method="GET",route="/things",status="200"} 1.0' in text_


async def test_the_document_describes_problems(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert "Problem" in document["components"]["schemas"]
    assert "HTTPValidationError" not in json.dumps(document)
    assert document["paths"]["/things"]["post"]["operationId"] == "create_thing"


async def test_a_database_that_is_away_is_503(token_key: TokenKey, tmp_path: Path) -> None:
    away = ServiceSettings(data_dir=tmp_path, database_url=f"postgresql://melon@127.0.0.1:{free_port()}/x")
    app = create_service_app(
        service="kit",
        title="Kit",
        routers=[routes()],
        lifespan=nothing,
        verifier=TokenVerifier(token_key, "kit"),
        database=Database.from_settings(away, "kit"),
    )
    async with (
        LifespanManager(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as client,
    ):
        for path in ("/things", "/readyz"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (asyncpg.CannotConnectNowError("the database system is starting up"), True),
        (asyncpg.AdminShutdownError("terminating connection"), True),
        (InterfaceError("SELECT 1", None, Exception("connection is closed")), True),
        (OperationalError("SELECT 1", None, Exception("database is locked")), True),
        (OperationalError("INSERT", None, Exception("database or disk is full")), False),
        (IntegrityError("INSERT", None, Exception("UNIQUE constraint failed")), False),
        (ValueError("x"), False),
    ],
)
def test_which_errors_say_that_the_database_is_away(error: Exception, away: bool) -> None:
    assert database_away(error) is away
