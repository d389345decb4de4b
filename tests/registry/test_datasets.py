"""Data sets from upload to deletion."""

import hashlib

import httpx

CSV = b"age,city,income\n31,Seoul,1.5\n42,Busan,2.5\n,Seoul,NA\n"


async def upload(client: httpx.AsyncClient, data: bytes, name: str = "people.csv", **form: str) -> httpx.Response:
    return await client.post("/api/v1/datasets", files={"file": (name, data)}, data=form)


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
