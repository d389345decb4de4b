"""Who is calling, as FastAPI dependencies. Use :data:`User`, :data:`Service` or :data:`Worker` in a signature."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from melonkube.kit.errors import Forbidden, Unauthenticated
from melonkube.kit.tokens import SCOPE_SERVICE, SCOPE_USER, SCOPE_WORKER, Principal, TokenVerifier


def bearer(header: str | None) -> str:
    """Return the token of an ``Authorization`` header.

    Raises:
        Unauthenticated: There is none.
    """
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("This call needs a bearer token.")
    return token


def _require(*scopes: str) -> Callable[[Request], Awaitable[Principal]]:
    # Async, though nothing is awaited: FastAPI would run a plain function in a thread, at many times the check's cost.
    async def dependency(request: Request) -> Principal:
        verifier: TokenVerifier = request.app.state.verifier
        principal = verifier.verify(bearer(request.headers.get("authorization")))
        if not principal.scopes.intersection(scopes):
            raise Forbidden("The token does not allow this call.")
        return principal

    return dependency


User = Annotated[Principal, Depends(_require(SCOPE_USER, SCOPE_SERVICE))]
"""A person through the gateway, or a service on a person's behalf."""

Service = Annotated[Principal, Depends(_require(SCOPE_SERVICE))]
"""Another service alone."""

Worker = Annotated[Principal, Depends(_require(SCOPE_WORKER))]
"""A worker of one experiment."""

Anyone = Annotated[Principal, Depends(_require(SCOPE_USER, SCOPE_SERVICE, SCOPE_WORKER))]
"""A person, a service, or a worker; the endpoint itself checks that a worker keeps to its experiment."""
