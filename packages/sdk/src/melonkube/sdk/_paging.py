"""Lists that come in pages, as one iterable."""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from melonkube.contracts.base import Page
from melonkube.sdk._transport import Call, Transport

T = TypeVar("T", bound=BaseModel)

PAGE_SIZE = 200


class Pages(Generic[T]):
    """All items of a list, fetched page by page as they are asked for; each iteration begins anew.

    Args:
        transport: Sends the calls.
        model: Type of the items.
        path: Address of the list.
        params: Filters, as query.
        page_size: Items a page.
    """

    def __init__(
        self,
        transport: Transport,
        model: type[T],
        path: str,
        params: Mapping[str, Any] | None = None,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._transport = transport
        self._page: type[Page[T]] = Page[model]  # type: ignore[valid-type]
        self._path = path
        self._params = dict(params or {})
        self._page_size = page_size

    def page(self, cursor: str | None = None) -> Page[T]:
        """Return one page: the first, or the one that ``next_cursor`` of the page before names."""
        params = {**self._params, "limit": self._page_size, "cursor": cursor}
        return self._transport.fetch(self._page, Call("GET", self._path, params=params))

    def pages(self) -> Iterator[Page[T]]:
        """Yield page after page."""
        cursor: str | None = None
        while True:
            page = self.page(cursor)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items
