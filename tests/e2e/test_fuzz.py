"""Whatever the OpenAPI document allows, and what it does not: no request gives a 5xx."""

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.e2e.api import Api, table

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DOCUMENT = schemathesis.openapi.from_path(str(Path(__file__).parents[2] / "docs" / "openapi.json"))


def _operation(found: Any) -> Any:
    """Return an operation of the document; a fault of the document is an error."""
    return found.ok()


OPERATIONS: dict[str, Any] = {
    f"{operation.method.upper()} {operation.path}": operation
    for operation in map(_operation, DOCUMENT.get_all_operations())
    if not operation.path.endswith("/events")
}


@pytest.fixture(scope="module")
def fuzzed(api: Api) -> Api:
    """A suite that has something of everything."""
    dataset = api.upload(table(300, seed=61), "fuzzed")
    experiment = api.tune(dataset["id"], name="fuzzed", budget={"max_trials": 1})
    api.wait(experiment["id"])
    api.deploy("fuzzed", experiment_id=experiment["id"])
    return api


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_no_input_gives_a_500(name: str, fuzzed: Api) -> None:
    @given(case=OPERATIONS[name].as_strategy())
    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: Any) -> None:
        answer = case.call(base_url=fuzzed.url, timeout=30)
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        if answer.status_code >= 400:
            assert "application/problem+json" in str(answer.headers["content-type"])

    send()
