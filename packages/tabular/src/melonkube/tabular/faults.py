"""What can be wrong with a table, said so that whoever made it can put it right."""

from melonkube.contracts.errors import ErrorCode


class TableError(ValueError):
    """The file cannot be taken as a table.

    Args:
        code: Stable code.
        detail: A sentence that says what is wrong, where, and what to do.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
