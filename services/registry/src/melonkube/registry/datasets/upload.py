"""A multipart upload, parsed as it arrives (RFC 7578): nothing is spooled, one file goes straight through."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from melonkube.contracts.base import Name
from melonkube.contracts.errors import ProblemItem
from melonkube.kit.errors import InvalidRequest, UnsupportedMediaType

_NAME_BYTES = 4096
_FIELDS = ("file", "name")
_NAME = TypeAdapter(Name)


@dataclass(slots=True)
class _Part:
    name: str
    file_name: str | None
    value: bytearray = field(default_factory=bytearray)


class Upload:
    """A form with one ``file`` and perhaps a ``name``, in any order.

    Read :meth:`file` to its end, then :meth:`finish`; ``file_name`` and ``name`` are known then.
    """

    def __init__(self, content_type: str | None, stream: AsyncIterator[bytes]) -> None:
        """Prepare to read ``stream``.

        Raises:
            UnsupportedMediaType: The body is not a form.
            InvalidRequest: Its boundary is missing.
        """
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data":
            raise UnsupportedMediaType("Send the file as multipart/form-data, in a field named 'file'.")
        try:
            self._parser = MultipartParser(
                options.get(b"boundary", b""),
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_body,
                    "on_part_data": self._take,
                    "on_end": self._end,
                },
            )
            if not options.get(b"boundary"):
                raise FormParserError("no boundary")
        except FormParserError as error:
            raise InvalidRequest("The form's Content-Type names no usable boundary.") from error
        self._stream = stream
        self._header_name, self._header_value = bytearray(), bytearray()
        self._disposition = b""
        self._part: _Part | None = None
        self._pending: list[bytes] = []
        self._seen: set[str] = set()
        self._ended = False
        self.file_name: str | None = None
        self._name: str | None = None

    # What the parser calls.

    def _begin_part(self) -> None:
        self._disposition = b""
        self._part = None

    def _end_header(self) -> None:
        if bytes(self._header_name).lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _begin_body(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name not in _FIELDS:
            raise _fault(f"/{name}", "extra_forbidden", f"The form has a field '{name}'; only 'file' and 'name' are.")
        if name in self._seen:
            raise _fault(f"/{name}", "duplicate", f"The form has '{name}' twice; send one.")
        self._seen.add(name)
        given = options.get(b"filename")
        if name == "file" and given is None:
            raise _fault("/file", "file_type", "The field 'file' holds no file; send the file with its name.")
        self._part = _Part(name, None if given is None else given.decode("utf-8", "replace"))
        if name == "file":
            self.file_name = (self._part.file_name or "").replace("\x00", "").replace("\\", "/").rsplit("/", 1)[-1]

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._part is None:
            return
        if self._part.name == "file":
            self._pending.append(data[start:end])
            return
        self._part.value += data[start:end]
        if len(self._part.value) > _NAME_BYTES:
            raise _fault("/name", "string_too_long", "The name is too long.")
        self._name = self._part.value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True

    # What the reader calls.

    async def _feed(self) -> bool:
        """Parse the next piece of the body; return whether there was one."""
        async for chunk in self._stream:
            if not chunk:
                continue
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise InvalidRequest("The form is malformed; send it as multipart/form-data.") from error
            return True
        return False

    async def file(self) -> AsyncIterator[bytes]:
        """Yield the file's bytes as they come, and read the form to its end.

        Raises:
            InvalidRequest: The form is malformed, cut off, has no file or has other fields.
        """
        more = True
        while more:
            more = await self._feed()
            if self._pending:
                piece = b"".join(self._pending) if len(self._pending) > 1 else self._pending[0]
                self._pending.clear()
                yield piece
        if not self._ended:
            raise InvalidRequest("The form ends before its closing boundary; send it again, whole.")
        if "file" not in self._seen:
            raise _fault("/file", "missing", "The form has no field 'file'; send the table in it.")

    @property
    def name(self) -> str:
        """The name to give to the data set: the form's, or the file name's stem.

        Raises:
            InvalidRequest: The name given is not one.
        """
        if "name" in self._seen:
            try:
                return _NAME.validate_python((self._name or "").strip())
            except ValidationError as error:
                raise _fault(
                    "/name",
                    error.errors()[0]["type"],
                    "The name must have 1 to 128 characters, and neither a slash nor control characters.",
                ) from error
        return default_name(self.file_name or "")


def default_name(file_name: str) -> str:
    """Return the name of a data set whose file is called so: its stem, or ``data`` if that is no name."""
    stem = file_name.rsplit(".", 1)[0] if "." in file_name[1:] else file_name
    kept = "".join(char for char in stem if char.isprintable() and char != "/").strip()[:128].strip()
    return kept or "data"


def _fault(pointer: str, code: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, errors=[ProblemItem(pointer=pointer, code=code, detail=detail)])
