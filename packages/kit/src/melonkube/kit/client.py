"""Calls between services: a token, the request id, short connect timeouts, problems as errors."""

from typing import Any

import httpx
from pydantic import ValidationError

from melonkube.contracts.errors import Problem
from melonkube.kit.context import request_id
from melonkube.kit.errors import PROBLEM_TYPE, PassedOn, UpstreamUnavailable
from melonkube.kit.tokens import SCOPE_SERVICE, Principal, TokenSigner

REQUEST_ID_HEADER = "X-Request-Id"


class PeerClient:
    """A client of one other service. Owned by the app, closed with it; safe for concurrent use.

    Args:
        base_url: Address of the service.
        audience: Its name, for the token.
        caller: The name of this service.
        signer: Makes the tokens.
        transport: For tests: where calls go instead of the network.
    """

    def __init__(
        self,
        base_url: str,
        audience: str,
        caller: str,
        signer: TokenSigner,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._audience = audience
        self._caller = caller
        self._signer = signer
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(30.0, connect=2.0, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=50),
            transport=transport,
            trust_env=False,
        )

    def headers(self, workspace_id: str) -> dict[str, str]:
        """Return the headers of a call on behalf of a workspace."""
        principal = Principal(f"service:{self._caller}", workspace_id, frozenset({SCOPE_SERVICE}))
        headers = {"Authorization": f"Bearer {self._signer.sign(principal, self._audience)}"}
        current = request_id.get()
        if current is not None:
            headers[REQUEST_ID_HEADER] = current
        return headers

    async def call(self, workspace_id: str, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and return the answer, which is a success.

        Args:
            workspace_id: On whose behalf.
            method: HTTP method.
            path: Path and query below the service's address.
            options: As for ``httpx.AsyncClient.request`` (``json``, ``params``, ``content``, ``timeout``, ...).

        Raises:
            PassedOn: The service answered with a problem.
            UpstreamUnavailable: It could not be reached, or answered with no problem but an error.
        """
        headers = {**self.headers(workspace_id), **options.pop("headers", {})}
        try:
            answer = await self._http.request(method, path, headers=headers, **options)
        except httpx.HTTPError as error:
            raise UpstreamUnavailable(f"The {self._audience} service does not answer; try again shortly.") from error
        raise_for_problem(answer, self._audience)
        return answer

    def stream(self, workspace_id: str, method: str, path: str, **options: Any) -> Any:
        """Open a streamed answer: an async context manager of ``httpx.Response``, its status not yet looked at."""
        headers = {**self.headers(workspace_id), **options.pop("headers", {})}
        return self._http.stream(method, path, headers=headers, **options)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def raise_for_problem(answer: httpx.Response, audience: str) -> None:
    """Turn an error answer, whose body has been read, into an exception.

    Raises:
        PassedOn: It carries a problem.
        UpstreamUnavailable: It is an error without one.
    """
    if answer.is_success:
        return
    if answer.headers.get("content-type", "").startswith(PROBLEM_TYPE):
        try:
            raise PassedOn(Problem.model_validate_json(answer.content))
        except ValidationError:
            pass
    raise UpstreamUnavailable(f"The {audience} service answered {answer.status_code}; try again shortly.")
