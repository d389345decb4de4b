from pathlib import Path

import pytest

from melonkube.trainer.worker.settings import CACHE_BYTES, WorkerSettings

ENVIRONMENT = {
    "MELON_WORKER_ID": "local-1",
    "MELON_WORKER_TOKEN": "token",
    "MELON_TUNER_URL": "http://127.0.0.1:1/",
    "MELON_REGISTRY_URL": "http://127.0.0.1:2",
    "MELON_CACHE_DIR": "/tmp/cache of ours",
}


def test_what_is_needed_is_enough() -> None:
    settings = WorkerSettings.from_environment(ENVIRONMENT)
    assert settings == WorkerSettings(
        "local-1", "token", "http://127.0.0.1:1", "http://127.0.0.1:2", Path("/tmp/cache of ours"), CACHE_BYTES
    )


def test_the_rest_may_be_given() -> None:
    settings = WorkerSettings.from_environment(
        ENVIRONMENT
        | {
            "MELON_WORKER_TRIALS": "3",
            "MELON_REQUEST_ID": "r",
            "MELON_CACHE_BYTES": "1000",
            "MELON_LOGS__LEVEL": "debug",
            "MELON_WORKER_SILENCE_SECONDS": "60",
        }
    )
    assert settings.silence_seconds == 60.0
    assert (settings.trials, settings.request_id, settings.cache_bytes, settings.log_level) == (3, "r", 1000, "DEBUG")
    assert WorkerSettings.from_environment(ENVIRONMENT | {"MELON_WORKER_TRIALS": "auto"}).trials is None


@pytest.mark.parametrize("name", sorted(ENVIRONMENT))
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        WorkerSettings.from_environment({key: value for key, value in ENVIRONMENT.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MELON_WORKER_TRIALS", "0"),
        ("MELON_WORKER_TRIALS", "-1"),
        ("MELON_WORKER_TRIALS", "many"),
        ("MELON_WORKER_TRIALS", ""),
        ("MELON_CACHE_BYTES", "1 GB"),
        ("MELON_WORKER_SILENCE_SECONDS", "soon"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        WorkerSettings.from_environment(ENVIRONMENT | {name: value})
