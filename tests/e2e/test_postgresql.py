"""The same job with every service on PostgreSQL, and the database lost in the middle."""

from collections.abc import Iterator

import pytest

from melonkube.suite.embedded import Suite
from tests.e2e.api import Api, table
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Suite]:
    environment = {"DATABASE_URL": postgres.create_database()}
    with Suite(tmp_path_factory.mktemp("on postgres"), workers=2, port=0, environment=environment) as running:
        yield running


def test_the_job_on_postgresql_with_the_database_away_for_a_while(api: Api, postgres: PostgresServer) -> None:
    dataset = api.upload(table(2000, seed=41, hard=True), "on postgres")
    experiment = api.tune(dataset["id"], name="on postgres", budget={"max_trials": 14})
    completed = 0
    for event in api.events(experiment["id"]):
        if event["type"] == "trial" and event["data"]["state"] == "completed":
            completed += 1
            if completed == 4:
                postgres.stop()
                answer = api.http.get("/api/v1/experiments")
                assert answer.status_code == 503, answer.text
                assert answer.json()["code"] == "not_ready"
                postgres.start()
    done = api.get(f"/api/v1/experiments/{experiment['id']}")
    assert done["state"] == "completed"
    assert done["trials"]["completed"] == 14
    assert sorted(trial["number"] for trial in api.trials(experiment["id"])) == list(range(1, 15))
    api.deploy("on-postgres", experiment_id=experiment["id"])
    row = {"size": 1.5, "weight": 60.0, "city": "서울", "day": "2025-07-01", "member": True}
    assert len(api.predict("on-postgres", row)["predictions"]) == 1
