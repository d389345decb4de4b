"""Data sets from upload to deletion."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from melonkube.contracts.ids import new_id
from melonkube.registry.settings import LimitSettings
from tests.registry.conftest import Registry, StartRegistry

CSV = b"age,city,income\n31,Seoul,1.5\n42,Busan,2.5\n,Seoul,NA\n"


async def upload(
    client: httpx.AsyncClient,
    data: bytes,
    file_name: str = "people.csv",
    headers: dict[str, str] | None = None,
    **form: str,
) -> httpx.Response:
    return await client.post("/api/v1/datasets", files={"file": (file_name, data)}, data=form, headers=headers)


def body(*parts: tuple[str, bytes], end: bytes = b"--XX--\r\n") -> bytes:
    """Return a form as raw bytes; a part is its Content-Disposition and its content."""
    return b"".join(b"--XX\r\nContent-Disposition: %s\r\n\r\n%s\r\n" % (d.encode(), c) for d, c in parts) + end


FILE = ('form-data; name="file"; filename="t.csv"', CSV)
FORM = {"Content-Type": "multipart/form-data; boundary=XX"}


async def test_upload_gives_the_columns_and_the_digest_of_the_bytes(client: httpx.AsyncClient) -> None:
    answer = await upload(client, CSV)
    assert answer.status_code == 201, answer.text
    dataset = answer.json()
    assert dataset["name"] == "people"
    assert dataset["version"] == 1
    assert dataset["state"] == "ready"
    assert dataset["rows"] == 3
    assert dataset["sha256"] == hashlib.sha256(CSV).hexdigest()
    assert dataset["size_bytes"] == len(CSV)
    assert (dataset["format"], dataset["encoding"], dataset["delimiter"]) == ("csv", "utf-8", ",")
    assert [(c["name"], c["dtype"], c["kind"], c["nullable"]) for c in dataset["columns"]] == [
        ("age", "int64", "numeric", True),
        ("city", "string", "categorical", False),
        ("income", "float64", "numeric", True),
    ]
    assert (await client.get(answer.headers["location"])).json() == dataset


async def test_the_bytes_and_the_typed_copy_come_back(client: httpx.AsyncClient) -> None:
    dataset = (await upload(client, CSV)).json()
    base = f"/api/v1/datasets/{dataset['id']}"
    content = await client.get(f"{base}/content")
    assert content.content == CSV
    assert content.headers["etag"] == f'"{dataset["sha256"]}"'
    assert content.headers["content-disposition"].startswith('attachment; filename="people.csv"')
    parquet = await client.get(f"{base}/parquet")
    assert hashlib.sha256(parquet.content).hexdigest() == dataset["parquet_sha256"]
    assert len(parquet.content) == dataset["parquet_bytes"]
    assert parquet.headers["etag"] == f'"{dataset["parquet_sha256"]}"'
    assert pq.read_table(io.BytesIO(parquet.content)).to_pydict() == {
        "age": [31, 42, None],
        "city": ["Seoul", "Busan", "Seoul"],
        "income": [1.5, 2.5, None],
    }


async def test_parts_of_the_typed_copy_come_back(client: httpx.AsyncClient) -> None:
    dataset = (await upload(client, CSV)).json()
    url = f"/api/v1/datasets/{dataset['id']}/parquet"
    whole = (await client.get(url)).content
    size, etag = len(whole), f'"{dataset["parquet_sha256"]}"'
    for asked, start, end in (
        ("bytes=0-3", 0, 4),
        (f"bytes={size - 1}-{size + 50}", size - 1, size),
        ("bytes=10-", 10, size),
        ("bytes=-8", size - 8, size),
        (f"bytes=-{size * 2}", 0, size),
    ):
        part = await client.get(url, headers={"Range": asked})
        assert (part.status_code, part.content) == (206, whole[start:end]), asked
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    for ignored in ("bytes=0-1,4-5", "rows=1-2", "bytes=5-2", "bytes=-"):
        assert (await client.get(url, headers={"Range": ignored})).status_code == 200
    for beyond in (f"bytes={size}-", "bytes=-0"):
        answer = await client.get(url, headers={"Range": beyond})
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
    assert (await client.get(url, headers={"If-None-Match": f'"x", {etag}'})).status_code == 304
    for condition, status in ((etag, 206), ('"other"', 200)):
        answer = await client.get(url, headers={"Range": "bytes=0-3", "If-Range": condition})
        assert answer.status_code == status


async def test_preview_and_profile(client: httpx.AsyncClient) -> None:
    data = b"when,n,s,b\n" + b"".join(b"2020-01-%02d,%d,x%d,true\n" % (n % 28 + 1, n, n % 3) for n in range(300))
    dataset = (await upload(client, data)).json()
    base = f"/api/v1/datasets/{dataset['id']}"
    preview = (await client.get(f"{base}/preview", params={"limit": 2})).json()
    assert preview == {
        "columns": ["when", "n", "s", "b"],
        "rows": [["2020-01-01T00:00:00.000000Z", 0, "x0", True], ["2020-01-02T00:00:00.000000Z", 1, "x1", True]],
        "total_rows": 300,
    }
    assert len((await client.get(f"{base}/preview", params={"limit": 200})).json()["rows"]) == 200
    assert (await client.get(f"{base}/preview", params={"limit": 201})).status_code == 422
    profile = (await client.get(f"{base}/profile")).json()
    assert (profile["dataset_id"], profile["rows"]) == (dataset["id"], 300)
    assert [(c["name"], c["distinct"]) for c in profile["columns"]] == [("when", 28), ("n", 300), ("s", 3), ("b", 1)]
    assert [c["reason"] for c in dataset["columns"]] == [None, "sequence", None, "constant"]


async def test_a_preview_of_long_texts_stays_small(client: httpx.AsyncClient) -> None:
    data = b"a,b\n" + (b"1," + b"x" * 50_000 + b"\n") * 300
    dataset = (await upload(client, data)).json()
    preview = (await client.get(f"/api/v1/datasets/{dataset['id']}/preview", params={"limit": 200})).json()
    assert all(len(row[1]) == 1001 for row in preview["rows"])


async def test_versions(client: httpx.AsyncClient) -> None:
    first = await upload(client, CSV)
    same = await upload(client, CSV, "other file.csv", name="people")
    assert (same.status_code, same.json()) == (200, first.json())
    second = await upload(client, CSV + b"1,Jeju,2\n")
    assert (second.status_code, second.json()["version"]) == (201, 2)
    back = await upload(client, CSV)
    assert (back.status_code, back.json()["id"]) == (200, first.json()["id"])
    other = await upload(client, CSV, name="others")
    assert (other.status_code, other.json()["version"]) == (201, 1)
    assert other.json()["parquet_sha256"] == first.json()["parquet_sha256"]
    listed = (await client.get("/api/v1/datasets", params={"name": "people"})).json()["items"]
    assert [item["version"] for item in listed] == [2, 1]
    assert (await client.delete(f"/api/v1/datasets/{second.json()['id']}")).status_code == 204
    assert (await upload(client, CSV + b"1,Jeju,3\n")).json()["version"] == 2


async def test_the_same_upload_many_times_at_once_is_one(client: httpx.AsyncClient, registry: Registry) -> None:
    answers = await asyncio.gather(*(upload(client, CSV) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    different = await asyncio.gather(*(upload(client, CSV + b"%d,x,1\n" % n) for n in range(6)))
    assert sorted(answer.json()["version"] for answer in different) == [2, 3, 4, 5, 6, 7]
    await registry.app.state.parts.blobs.collect()
    assert len(registry.blob_files()) == 2 * 7


async def test_pages(client: httpx.AsyncClient) -> None:
    made = [(await upload(client, CSV, name=f"d{n}")).json()["id"] for n in range(5)]
    seen: list[str] = []
    params = {"limit": "2"}
    while True:
        page = (await client.get("/api/v1/datasets", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == made[::-1]
    assert (await client.get("/api/v1/datasets", params={"cursor": "nonsense"})).status_code == 422
    assert (await client.get("/api/v1/datasets", params={"name": "a\x00"})).status_code == 422


async def test_an_idempotency_key_makes_one(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = await upload(client, CSV, headers=key)
    again = await upload(client, CSV, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    other = await upload(client, CSV + b"1,Jeju,2\n", headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len((await client.get("/api/v1/datasets")).json()["items"]) == 1


async def test_an_answer_before_the_file_is_read(client: httpx.AsyncClient) -> None:
    good = await upload(client, CSV, headers={"Prefer": "respond-async"})
    bad = await upload(client, b"a,b\n1,2,3\n", "bad.csv", headers={"Prefer": "respond-async"})
    assert (good.status_code, bad.status_code) == (202, 202)
    assert good.json()["state"] in ("parsing", "ready")
    assert (await upload(client, CSV)).json()["state"] == "ready"
    again = await upload(client, b"a,b\n1,2,3\n", "bad.csv")  # waits until the first has been read
    assert (again.status_code, again.json()["code"]) == (422, "ragged_rows")
    base = f"/api/v1/datasets/{bad.json()['id']}"
    failed = (await client.get(base)).json()
    assert failed["state"] == "failed"
    assert failed["problem"]["code"] == "ragged_rows"
    for what in ("preview", "profile", "parquet"):
        answer = await client.get(f"{base}/{what}")
        assert (answer.status_code, answer.json()["code"]) == (409, "dataset_failed")
    assert (await client.get(f"{base}/content")).content == b"a,b\n1,2,3\n"
    assert (await client.delete(base)).status_code == 204


NO_TABLES: list[tuple[bytes, str, str]] = [
    (b"", "t.csv", "empty_file"),
    (b"\n\n", "t.csv", "empty_file"),
    (b"a,b\n", "t.csv", "header_only"),
    (b"a,b\n1,2,3\n", "t.csv", "ragged_rows"),
    (b"a,a\n1,2\n", "t.csv", "duplicate_column"),
    (b"a,\n1,2\n", "t.csv", "empty_column_name"),
    (b"a,b\ncaf\xe9,1\n", "t.csv", "undecodable"),
    (b"PK\x03\x04xxxx", "t.csv", "mislabelled_file"),
    (b"\x89PNG\r\n\x1a\n", "t.csv", "mislabelled_file"),
    (CSV, "t.parquet", "mislabelled_file"),
    (b"PAR1xxxx", "t.csv", "mislabelled_file"),
    (b"PAR1xxxx", "t.parquet", "undecodable"),
    (CSV, "t.xlsx", "unknown_format"),
    (b",".join(b"c%d" % n for n in range(9)) + b"\n" + b"1," * 8 + b"1\n", "t.csv", "too_many_columns"),
]


async def test_what_is_no_table_leaves_nothing(start_registry: StartRegistry) -> None:
    registry = await start_registry(limits=LimitSettings(columns=8))
    client = await registry.client()
    for data, name, code in NO_TABLES:
        answer = await upload(client, data, name)
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await client.get("/api/v1/datasets")).json()["items"] == []
    await registry.app.state.parts.blobs.collect()
    assert registry.blob_files() == []


async def test_nested_parquet_is_refused(client: httpx.AsyncClient) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [[1], [2]]}), file)
    answer = await upload(client, file.getvalue(), "t.parquet")
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported_column_type")


NO_FORMS: list[tuple[bytes, dict[str, str], int, str | None]] = [
    (b"{}", {"Content-Type": "application/json"}, 415, None),
    (b"", {}, 415, None),
    (body(FILE), {"Content-Type": "multipart/form-data"}, 422, None),
    (body(FILE), {"Content-Type": "multipart/form-data; boundary=" + "x" * 300}, 422, None),
    (b"no form at all", FORM, 422, None),
    (b"", FORM, 422, None),
    (body(FILE, end=b""), FORM, 422, None),
    (body(FILE)[:60], FORM, 422, None),
    (body(), FORM, 422, "/file"),
    (body(('form-data; name="name"', b"x")), FORM, 422, "/file"),
    (body(('form-data; name="file"', CSV)), FORM, 422, "/file"),
    (body(FILE, FILE), FORM, 422, "/file"),
    (body(FILE, ('form-data; name="other"', b"x")), FORM, 422, "/other"),
    (body(('form-data; name="other"', b"x"), FILE), FORM, 422, "/other"),
    (body(FILE, ("form-data", b"x")), FORM, 422, "/"),
    (body(FILE, ('form-data; name="name"', b"")), FORM, 422, "/name"),
    (body(FILE, ('form-data; name="name"', b"a/b")), FORM, 422, "/name"),
    (body(FILE, ('form-data; name="name"', b"a\x00b")), FORM, 422, "/name"),
    (body(FILE, ('form-data; name="name"', b"\xff")), FORM, 422, "/name"),
    (body(FILE, ('form-data; name="name"', b"x" * 200)), FORM, 422, "/name"),
    (body(FILE, ('form-data; name="name"', b"x" * 5000)), FORM, 422, "/name"),
    (body(FILE, ('form-data; name="name"', b"x"), ('form-data; name="name"', b"y")), FORM, 422, "/name"),
]


async def test_a_form_that_is_none_leaves_nothing(registry: Registry, client: httpx.AsyncClient) -> None:
    for content, headers, status, pointer in NO_FORMS:
        answer = await client.post("/api/v1/datasets", content=content, headers=headers)
        assert answer.status_code == status, answer.text
        assert [item["pointer"] for item in answer.json().get("errors", [])] == ([] if pointer is None else [pointer])
    assert (await client.get("/api/v1/datasets")).json()["items"] == []
    assert registry.blob_files() == []


async def test_names_come_from_the_form_or_the_file(client: httpx.AsyncClient) -> None:
    cases: list[tuple[list[tuple[str, bytes]], str, str]] = [
        ([FILE, ('form-data; name="name"', " 사람들 ".encode())], "사람들", "t.csv"),
        ([('form-data; name="name"', b"before"), FILE], "before", "t.csv"),
        ([('form-data; name="file"; filename="C:\\\\data\\\\sales 2020.tar.csv"', CSV)], "sales 2020.tar", ""),
        ([('form-data; name="file"; filename="/etc/x.csv"', CSV)], "x", "x.csv"),
        ([('form-data; name="file"; filename=".csv"', CSV)], ".csv", ".csv"),
        ([('form-data; name="file"; filename=""', CSV)], "data", ""),
    ]
    for parts, name, file_name in cases:
        answer = await client.post("/api/v1/datasets", content=body(*parts), headers=FORM)
        assert answer.status_code in (200, 201), answer.text
        assert answer.json()["name"] == name
        if file_name:
            assert answer.json()["file_name"] == file_name


async def test_a_file_in_pieces_of_any_size_is_the_same(client: httpx.AsyncClient) -> None:
    whole = body(FILE, ('form-data; name="name"', b"pieces"))

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(whole), size):
            yield whole[start : start + size]

    for size in (1, 7, 64):
        answer = await client.post("/api/v1/datasets", content=pieces(size), headers=FORM)
        assert answer.json()["sha256"] == hashlib.sha256(CSV).hexdigest()
        assert answer.json()["name"] == "pieces"


async def test_a_file_over_the_limit_is_refused(start_registry: StartRegistry) -> None:
    registry = await start_registry(limits=LimitSettings(upload_bytes=6 << 20))
    client = await registry.client()
    row = b"1,2\n"
    most = b"a,b\n" + row * ((6 << 20) // 4 - 1)
    assert (await upload(client, most, name="most")).status_code == 201

    async def unannounced() -> AsyncIterator[bytes]:
        yield body(FILE, end=b"")[: -len(CSV) - 2]
        for _ in range(7):
            yield row * (1 << 18)

    before = registry.blob_files()
    for answer in (
        await upload(client, most + row),
        await upload(client, most * 2),
        await client.post("/api/v1/datasets", content=unannounced(), headers=FORM),
    ):
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert registry.blob_files() == before


async def test_columns_for_the_other_services(client: httpx.AsyncClient, service: httpx.AsyncClient) -> None:
    dataset = (await upload(client, CSV)).json()
    url = f"/internal/datasets/{dataset['id']}/columns"
    answer = await service.get(url, params=[("name", "income"), ("name", "age"), ("name", "income")])
    assert answer.headers["content-type"] == "application/vnd.apache.arrow.stream"
    with pa.ipc.open_stream(answer.content) as stream:
        table = stream.read_all()
    assert table.to_pydict() == {"income": [1.5, 2.5, None], "age": [31, 42, None]}
    unknown = await service.get(url, params={"name": "nope"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "column_unknown")
    assert (await service.get(url)).status_code == 422


async def test_a_data_set_in_use_stays(client: httpx.AsyncClient, registry: Registry) -> None:
    dataset = (await upload(client, CSV)).json()
    url = f"/api/v1/datasets/{dataset['id']}"
    run = (await client.post("/api/v1/runs", json={"dataset_id": dataset["id"]})).json()
    held = await client.delete(url)
    assert (held.status_code, held.json()["code"]) == (409, "in_use")
    assert (await client.delete(f"/api/v1/runs/{run['id']}")).status_code == 204
    assert (await client.delete(url)).status_code == 204
    assert (await client.get(url)).status_code == 404
    await registry.app.state.parts.blobs.collect()
    assert registry.blob_files() == []


async def test_what_is_not_there(client: httpx.AsyncClient, registry: Registry) -> None:
    dataset = (await upload(client, CSV)).json()
    stranger = await registry.client(workspace_id=new_id())
    for who, dataset_id in ((client, new_id()), (stranger, dataset["id"])):
        for method, suffix in (
            ("GET", ""), ("GET", "/preview"), ("GET", "/profile"), ("GET", "/content"), ("GET", "/parquet"),
            ("DELETE", ""),
        ):  # fmt: skip
            answer = await who.request(method, f"/api/v1/datasets/{dataset_id}{suffix}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await stranger.get("/api/v1/datasets")).json()["items"] == []
    assert (await client.get("/api/v1/datasets/not-an-id")).status_code == 422
    mine = await upload(stranger, CSV)
    assert (mine.status_code, mine.json()["version"]) == (201, 1)


async def test_a_worker_reads_its_own_data_set_alone(client: httpx.AsyncClient, registry: Registry) -> None:
    own = (await upload(client, CSV)).json()["id"]
    other = (await upload(client, CSV, name="other")).json()["id"]
    worker = await registry.client(scope="worker", experiment_id=new_id(), dataset_id=own)
    assert (await worker.get(f"/api/v1/datasets/{own}")).status_code == 200
    assert (await worker.get(f"/api/v1/datasets/{own}/parquet")).status_code == 200
    assert (await worker.get(f"/api/v1/datasets/{other}")).status_code == 404
    assert (await worker.get(f"/api/v1/datasets/{other}/parquet")).status_code == 404
    forbidden: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/api/v1/datasets", {}),
        ("DELETE", f"/api/v1/datasets/{own}", {}),
        ("GET", f"/api/v1/datasets/{own}/content", {}),
        ("POST", "/api/v1/datasets", {"content": body(FILE), "headers": FORM}),
    ]
    for method, url, options in forbidden:
        assert (await worker.request(method, url, **options)).status_code == 403
