"""What every group of calls is made of."""

from typing import TypeVar

from pydantic import BaseModel

from melonkube.sdk._bodies import encode
from melonkube.sdk._transport import Call, Transport

T = TypeVar("T", bound=BaseModel)


class Resource:
    """A group of calls of a :class:`~melonkube.sdk.Client`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _get(self, model: type[T], path: str, **params: object) -> T:
        return self._transport.fetch(model, Call("GET", path, params=params))

    def _put(self, model: type[T], path: str, body: BaseModel) -> T:
        return self._transport.fetch(model, Call("PUT", path, json=encode(body)))

    def _post(self, model: type[T], path: str, body: BaseModel | None = None, *, repeatable: bool = False) -> T:
        content = None if body is None else encode(body)
        return self._transport.fetch(model, Call("POST", path, json=content, repeatable=repeatable))

    def _delete(self, path: str) -> None:
        self._transport.send(Call("DELETE", path))
