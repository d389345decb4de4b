"""The fast path of a predict call: it answers an ordinary good request, or declines and leaves it to the full path."""

import time
from collections.abc import Sequence

import numpy as np

from melonkube.kit.errors import Unauthenticated
from melonkube.kit.metrics import RequestDurations
from melonkube.kit.middleware import identify
from melonkube.kit.tokens import SCOPE_SERVICE, SCOPE_USER, TokenVerifier
from melonkube.serving.predict.answers import NotFinite
from melonkube.serving.predict.rows import DECLINED
from melonkube.serving.predict.table import PREFIX, Live, LiveTable

MAX_BODY = 64 << 10
"""Larger bodies are left to the full path."""

ROUTE = PREFIX + "/{name}/predict"

_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})
_BEARER = b"Bearer "
_SCOPES = frozenset({SCOPE_USER, SCOPE_SERVICE})

Headers = Sequence[tuple[bytes, bytes]]


class FastPath:
    """Answers predict calls on the event loop, without framework, scope or task. One loop, one thread.

    Args:
        table: What answers for which endpoint.
        verifier: Checks tokens.
        durations: The service's counts of requests; the calls answered here are counted there too.
        inline_seconds: A call that would compute longer is left to the full path, which has threads.
        max_rows: Most rows a call.
    """

    def __init__(
        self,
        table: LiveTable,
        verifier: TokenVerifier,
        durations: RequestDurations,
        inline_seconds: float,
        max_rows: int,
        max_body: int = MAX_BODY,
    ) -> None:
        self.max_body = min(max_body, MAX_BODY)
        self.at_path = table.at_path
        self._verify = verifier.verify
        self._observe = durations.plain("POST", ROUTE, "200").observe
        self._inline_seconds = inline_seconds
        self._max_rows = max_rows

    def answer(self, lives: dict[str, Live], headers: Headers, body: bytes, began: float) -> bytes | None:
        """Return the whole HTTP answer to a call, None if the full path has to look at it.

        Args:
            lives: What :meth:`at_path` gave.
            headers: Of the request, names in lower case.
            body: Of the request.
            began: ``time.perf_counter()`` when it began.
        """
        sent = dict(headers)
        authorization = sent.get(b"authorization", b"")
        if (
            sent.get(b"content-type") not in _TYPES
            or not authorization.startswith(_BEARER)
            or b"content-encoding" in sent
            or len(sent) != len(headers)  # what a header sent twice means is not decided here
        ):
            return None
        try:
            principal = self._verify(authorization[7:].decode())
            live = lives[principal.workspace_id]
            if not principal.scopes & _SCOPES:
                return None
            answered = self._predict(live, body)
        except (Unauthenticated, UnicodeDecodeError, KeyError, NotFinite):
            return None
        if answered is None:
            return None
        content, rows = answered
        head = (
            f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
            f"x-request-id: {identify(sent.get(b'x-request-id'))}\r\n\r\n"
        ).encode()
        took = time.perf_counter() - began
        self._observe(took)
        live.stats.answered(took, rows)
        return head + content

    def _predict(self, live: Live, body: bytes) -> tuple[bytes, int] | None:
        served = live.served
        if served.reader is None:
            return None
        scorer = served.scorer
        try:
            rows = served.reader.read(body)
            count = len(rows)
            if not 0 < count <= self._max_rows or count * served.row_seconds > self._inline_seconds:
                return None
            if count == 1:
                served.reader.fill(rows[0], scorer.row)
                return live.writer.one(scorer()), 1
            scores = []
            for row in rows:
                served.reader.fill(row, scorer.row)
                scores.append(list(scorer()))
        except DECLINED:
            return None
        return live.writer.many(np.array(scores), ()), count
