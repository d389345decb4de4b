"""The public API as a client without our SDK would call it, and tables to send."""

import csv
import io
import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import httpx

FINAL = ("completed", "failed", "stopped")


def table(rows: int, *, task: str = "binary", seed: int = 0, hard: bool = False) -> bytes:
    """Return a CSV of numbers, categories, dates and missing values, and a target ``y`` that depends on them."""
    source = random.Random(seed)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "size", "weight", "city", "day", "member", "constant", "y"])
    for number in range(rows):
        size, weight = source.gauss(0, 1), source.gauss(50, 12)
        city = source.choice(["서울", "부산", "대구", "Jeju"])
        month = source.randint(1, 12)
        member = source.random() < 0.4
        score = size + 0.05 * (weight - 50) + (1.2 if city == "서울" else 0) + (0.8 if month in (6, 7, 8) else 0)
        score += 0.5 * member + source.gauss(0, 1.0 if hard else 0.4)
        label: object
        if task == "binary":
            label = "yes" if score > 0.9 else "no"
        elif task == "multiclass":
            label = "low" if score < 0.2 else "mid" if score < 1.6 else "high"
        else:
            label = round(score, 6)
        writer.writerow(
            [
                f"row-{number:06d}",
                "" if source.random() < 0.08 else round(size, 5),
                round(weight, 2),
                "" if source.random() < 0.05 else city,
                f"2025-{month:02d}-{source.randint(1, 28):02d}",
                str(member).lower(),
                "same",
                label,
            ]
        )
    return text.getvalue().encode()


class Api:
    """A plain HTTP client of a running suite."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=httpx.Timeout(60.0), trust_env=False)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def upload(self, content: bytes, name: str, file_name: str = "table.csv", status: int = 201) -> dict[str, Any]:
        answer = self.http.post(
            "/api/v1/datasets", files={"file": (file_name, content, "text/csv")}, data={"name": name}
        )
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def tune(self, dataset_id: str, target: str = "y", **more: Any) -> dict[str, Any]:
        answer = self.http.post("/api/v1/experiments", json={"dataset_id": dataset_id, "target": target, **more})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        answer = self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def trials(self, experiment_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            params = {"limit": 100, **({"cursor": cursor} if cursor else {})}
            page = self.get(f"/api/v1/experiments/{experiment_id}/trials", **params)
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def events(self, experiment_id: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """Yield events from ``after`` on, as the stream brings them, coming back when the connection breaks."""
        while True:
            try:
                with self.http.stream(
                    "GET",
                    f"/api/v1/experiments/{experiment_id}/events",
                    headers={"Last-Event-ID": str(after)},
                    timeout=httpx.Timeout(5.0, read=60.0),
                ) as stream:
                    if stream.status_code >= 500:
                        continue
                    assert stream.status_code == 200
                    assert stream.headers["content-type"].startswith("text/event-stream")
                    for line in stream.iter_lines():
                        if line.startswith("data:"):
                            event = json.loads(line[5:])
                            assert event["seq"] == after + 1, "an event is missing or came twice"
                            after = event["seq"]
                            yield event
                            if event["type"] == "experiment" and event["data"]["state"] in FINAL:
                                return
            except httpx.TransportError:
                continue

    def wait(self, experiment_id: str, *, after: int = 0) -> dict[str, Any]:
        """Return the experiment once it has ended, told by its stream."""
        for _ in self.events(experiment_id, after):
            pass
        found = self.get(f"/api/v1/experiments/{experiment_id}")
        assert found["state"] in FINAL
        return found

    def predict(self, name: str, *instances: dict[str, Any], status: int = 200) -> dict[str, Any]:
        answer = self.http.post(f"/api/v1/endpoints/{name}/predict", json={"instances": list(instances)})
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def deploy(self, name: str, **body: Any) -> dict[str, Any]:
        """Point an endpoint at something and return it once that answers."""
        answer = self.http.put(f"/api/v1/endpoints/{name}", json=body)
        assert answer.status_code in (200, 201), answer.text
        generation = answer.json()["generation"]
        for _ in range(600):
            found = self.get(f"/api/v1/endpoints/{name}")
            if found["observed_generation"] >= generation and found["target"]["state"] != "loading":
                return found
            threading.Event().wait(0.05)
        raise AssertionError(f"the endpoint did not become ready: {found}")
