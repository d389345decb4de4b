"""A worker for tests: a real process that speaks the worker API and "trains" a bowl.

How it behaves it reads from ``behaviour.json`` in the cache folder before each trial:
``seconds`` a trial lasts; ``fail``/``exit``/``signal``: how a trial ends instead (``{"number": 3, ...}``);
``start``: exit code before it asks for anything; ``hang``: ignores SIGTERM; ``silent``: never renews.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx

WORKER = os.environ["MELON_WORKER_ID"]
FOLDER = Path(os.environ["MELON_CACHE_DIR"])
TRIALS = os.environ["MELON_WORKER_TRIALS"]


class Released(Exception):
    """SIGTERM came."""


def behaviour() -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads((FOLDER / "behaviour.json").read_text())
    except FileNotFoundError:
        return {}
    return read


def on_term(_signal: int, _frame: object) -> None:
    raise Released


def main() -> None:
    how = behaviour()
    if "start" in how:
        print("cannot start: the fuse is blown", file=sys.stderr)
        sys.exit(how["start"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN if how.get("hang") else on_term)
    token = os.environ["MELON_WORKER_TOKEN"]
    client = httpx.Client(base_url=os.environ["MELON_TUNER_URL"], timeout=40.0, trust_env=False)

    def call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        nonlocal token
        while True:
            try:
                answer = client.request(
                    method, f"/worker/v1{path}", json=body, headers={"Authorization": f"Bearer {token}"}
                )
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code in (502, 503):
                time.sleep(0.05)
                continue
            answer.raise_for_status()
            told: dict[str, Any] = answer.json()
            token = told.get("token") or (told.get("next") or {}).get("token") or token
            return told

    held: str | None = None
    try:
        call("GET", "/setup")
        offer = call("POST", "/lease", {"worker_id": WORKER, "wait_seconds": 5})
        done = 0
        while not offer["exit"]:
            work = offer["assignment"]
            if work is None:
                offer = call("POST", "/lease", {"worker_id": WORKER, "wait_seconds": 5})
                continue
            held = work["run_id"]
            if work["kind"] == "evaluation":
                values = {label: {"auc": 0.5, "rmse": 1.5, "logloss": 0.7} for label in work["models"]}
                path: str
                body: dict[str, Any]
                how = behaviour()
                if how.get("evaluation") == "fail":
                    path, body = "fail", {"cause": "code_error", "reason": "no holdout"}
                else:
                    path, body = "evaluated", {"values": values}
            else:
                path, body = train(work, call)
            done += 1
            last = TRIALS != "auto" and done >= int(TRIALS)
            answer = call(
                "POST",
                f"/leases/{held}/{path}",
                {"worker_id": WORKER, "wait_seconds": 5, "want_next": not last, **body},
            )
            held = None
            if last:
                return
            offer = answer["next"]
    except Released:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if held is not None:
            call("POST", f"/leases/{held}/fail", {"worker_id": WORKER, "cause": "released", "reason": ""})


def train(work: dict[str, Any], call: Any) -> tuple[str, dict[str, Any]]:
    how = behaviour()
    fate = how.get("fate", {}).get(str(work["number"]), {})
    if fate and work["attempt"] <= fate.get("attempts", 1):
        how = {**how, **fate}
    params = work["params"]
    value = 1.0 / (1.0 + params.get("x", 0.0) ** 2 + params.get("y", 0.0) ** 2)
    until = time.monotonic() + how.get("seconds", 0.0)
    step = 0
    while time.monotonic() < until:
        time.sleep(0.05)
        step += 1
        if how.get("renew") and step % 2 == 0:
            verdict = call(
                "POST",
                f"/leases/{work['run_id']}/renew",
                {"worker_id": WORKER, "reports": [{"step": step, "value": value / (step + 1)}]},
            )["verdict"]
            if verdict != "continue":
                return "complete", {"state": "stopped"}
    if "signal" in how:
        os.kill(os.getpid(), how["signal"])
        time.sleep(10)
    if "exit" in how:
        print("the bowl is cracked", file=sys.stderr)
        sys.exit(how["exit"])
    if "fail" in how:
        return "fail", {"cause": how["fail"], "reason": "the bowl is cracked"}
    return "complete", {"value": value, "metrics": {"auc": value}, "reports": [{"step": 1000, "value": value}]}


if __name__ == "__main__":
    main()
