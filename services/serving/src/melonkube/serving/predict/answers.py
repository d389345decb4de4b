"""From a model's outputs to the answer's JSON. Both paths write it here, so that what they say is equal."""

import json
import math
from collections.abc import Sequence

import numpy as np

from melonkube.contracts.signature import Signature, Task
from melonkube.serving.runtimes.protocol import Matrix, Outputs
from melonkube.tabular.signature import category_text


class NotFinite(Exception):
    """The model gave no finite number for a row.

    Args:
        row: Which.
    """

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row}")
        self.row = row


class AnswerWriter:
    """Writes answers of one model version. Immutable.

    Numbers are written as Python's shortest text that reads back to the same double.
    """

    def __init__(self, signature: Signature, model: str, version: int, digest: str) -> None:
        self._task = signature.task
        self._labels = [json.dumps(value, ensure_ascii=False) for value in signature.classes or []]
        self._keys = [json.dumps(category_text(value), ensure_ascii=False) for value in signature.classes or []]
        self._opening = f"{{{self._keys[0]}:" if self._keys else ""
        self._between = f",{self._keys[1]}:" if self._keys else ""
        self._tail = (
            f',"model":{json.dumps(model, ensure_ascii=False)},"version":{version},"digest":{json.dumps(digest)}'
        )
        self._first = [f'{{"predictions":[{label}],"probabilities":[' for label in self._labels]
        self._end = f"]{self._tail}" + ',"warnings":[]}'
        self._plain_end = f'],"probabilities":null{self._tail}' + ',"warnings":[]}'

    def one(self, outputs: Outputs) -> bytes:
        """Return the answer to a call of one row without warnings.

        Raises:
            NotFinite: An output is not finite.
        """
        if self._task is Task.REGRESSION:
            value = outputs[0]
            if not math.isfinite(value):
                raise NotFinite(0)
            return f'{{"predictions":[{value!r}{self._plain_end}'.encode()
        winner, shares = self._classify(outputs, 0)
        return f"{self._first[winner]}{shares}{self._end}".encode()

    def many(self, scores: Matrix, warnings: Sequence[str]) -> bytes:
        """Return the answer to a call of several rows.

        Args:
            scores: Outputs, shape (rows, outputs).
            warnings: Sentences for the client.

        Raises:
            NotFinite: An output is not finite.
        """
        said = json.dumps(warnings, ensure_ascii=False)
        if self._task is Task.REGRESSION:
            if not np.isfinite(scores).all():
                raise NotFinite(int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0]))
            values = ",".join(map(repr, scores[:, 0].tolist()))
            return f'{{"predictions":[{values}],"probabilities":null{self._tail},"warnings":{said}}}'.encode()
        rows = [self._classify(outputs, row) for row, outputs in enumerate(scores.tolist())]
        predictions = ",".join(self._labels[winner] for winner, _ in rows)
        shares = ",".join(text for _, text in rows)
        return (f'{{"predictions":[{predictions}],"probabilities":[{shares}]{self._tail},"warnings":{said}}}').encode()

    def _classify(self, outputs: Outputs, row: int) -> tuple[int, str]:
        """Return the code of the likeliest class, the first of equals, and each class's probability as JSON."""
        if self._task is Task.BINARY:
            second = outputs[0]
            if not 0.0 <= second <= 1.0:
                raise NotFinite(row)
            return second > 0.5, f"{self._opening}{1.0 - second!r}{self._between}{second!r}}}"
        values = list(outputs)
        if not math.isfinite(sum(values)):
            raise NotFinite(row)
        pairs = ",".join([f"{key}:{value!r}" for key, value in zip(self._keys, values, strict=True)])
        return values.index(max(values)), f"{{{pairs}}}"
