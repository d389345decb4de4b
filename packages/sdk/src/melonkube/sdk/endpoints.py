"""Endpoints: names that answer predictions."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from melonkube.contracts.endpoints import Endpoint, EndpointPut, EndpointSchema, EndpointState, PredictAnswer
from melonkube.sdk._base import Resource
from melonkube.sdk._bodies import build, encode_instances
from melonkube.sdk._exceptions import EndpointFailed, WaitTimeout
from melonkube.sdk._paging import Pages
from melonkube.sdk._transport import Call, quote_name

_BASE = "/api/v1/endpoints"

BATCH_ROWS = 1000


class Endpoints(Resource):
    """Names that answer predictions: each pins a model version or follows an alias."""

    def put(
        self,
        name: str,
        *,
        experiment_id: str | None = None,
        model: str | None = None,
        version: int | None = None,
        alias: str | None = None,
    ) -> Endpoint:
        """Make an endpoint, or point one at something else; it loads in the background (see ``wait_ready``).

        Args:
            name: Lower-case letters, digits and hyphens.
            experiment_id: Its winner becomes a model version and is pinned.
            model: A model, with either ``version`` (pinned) or ``alias`` (followed).
            version: See ``model``.
            alias: See ``model``.

        Raises:
            Conflict: The experiment has no completed trial yet (``no_completed_trial``).
        """
        given = {"experiment_id": experiment_id, "model": model, "version": version, "alias": alias}
        return self._put(Endpoint, self._path(name), build(EndpointPut, given))

    def get(self, name: str) -> Endpoint:
        """Return an endpoint: at its top what answers now, in ``target`` what was asked for."""
        return self._get(Endpoint, self._path(name))

    def schema(self, name: str) -> EndpointSchema:
        """Return what to send: the model's signature and a real row of its training data."""
        return self._get(EndpointSchema, self._path(name, "schema"))

    def delete(self, name: str) -> None:
        """Delete an endpoint; the model stays."""
        self._delete(self._path(name))

    def predict(self, name: str, instances: Iterable[Mapping[str, Any]]) -> PredictAnswer:
        """Predict rows, each a mapping of column and value.

        Cells may be what a DataFrame's ``to_dict("records")`` gives. Safe to repeat, and repeated when a connection
        breaks.

        Raises:
            InvalidRequest: ``errors`` names every bad row and field.
            InvalidInput: A cell has no JSON form.
        """
        call = Call("POST", self._path(name, "predict"), json=encode_instances(instances), repeatable=True)
        return self._transport.fetch(PredictAnswer, call)

    def predict_batches(
        self, name: str, instances: Iterable[Mapping[str, Any]], *, batch_rows: int = BATCH_ROWS
    ) -> Iterator[PredictAnswer]:
        """Predict any number of rows at flat memory, ``batch_rows`` a call; yields an answer a batch, in order."""
        rows = iter(instances)
        while batch := [*islice(rows, batch_rows)]:
            yield self.predict(name, batch)

    def wait_ready(self, name: str, timeout: float | None = 120.0) -> Endpoint:
        """Return the endpoint when what was asked for answers.

        Args:
            name: Which.
            timeout: Seconds to wait at most; None waits as long as it takes.

        Raises:
            EndpointFailed: The target cannot be loaded; the reason is in the message.
            WaitTimeout: It is still loading.
        """
        clock = self._transport.clock
        until = None if timeout is None else clock.monotonic() + timeout
        pause = 0.05
        while True:
            endpoint = self.get(name)
            if endpoint.observed_generation >= endpoint.generation and endpoint.state is EndpointState.READY:
                return endpoint
            if endpoint.target.state is EndpointState.FAILED:
                reason = endpoint.target.reason or "no reason was given"
                raise EndpointFailed(f"Endpoint {name!r} could not load its model: {reason}")
            if until is not None and clock.monotonic() + pause > until:
                raise WaitTimeout(f"Endpoint {name!r} is still loading after {timeout:g} s.")
            clock.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    def list(self) -> Pages[Endpoint]:
        """Return the endpoints."""
        return Pages(self._transport, Endpoint, _BASE)

    @staticmethod
    def _path(name: str, *rest: str) -> str:
        return "/".join((_BASE, quote_name(name), *rest))
