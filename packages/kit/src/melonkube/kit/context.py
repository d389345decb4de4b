"""What belongs to the request at hand, wherever in the code one stands."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the request being answered; travels in ``X-Request-Id`` to every service and worker behind it."""
