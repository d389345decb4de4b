"""Multipart forms, parsed as they arrive (RFC 7578): nothing is spooled, each piece is handed on as it comes."""

from collections.abc import AsyncIterator, Callable

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from melonkube.kit.errors import InvalidRequest, UnsupportedMediaType


class FormReader:
    """Reads a form and tells of its parts.

    Args:
        content_type: The request's.
        stream: The body.
        begin: Is called with the name and the file name (None if there is none) of each part as it begins.
        take: Is called with each piece of the part that began last.

    Raises:
        UnsupportedMediaType: The body is not a form.
        InvalidRequest: Its boundary is missing.
    """

    def __init__(
        self,
        content_type: str | None,
        stream: AsyncIterator[bytes],
        begin: Callable[[str, str | None], None],
        take: Callable[[bytes], None],
    ) -> None:
        self._stream = stream
        self._begin = begin
        self._take = take
        self._header_name, self._header_value = bytearray(), bytearray()
        self._disposition = b""
        self._ended = False
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data":
            raise UnsupportedMediaType("Send the file as multipart/form-data.")
        boundary = options.get(b"boundary")
        try:
            self._parser = MultipartParser(
                boundary or b"",
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_body,
                    "on_part_data": lambda data, start, end: self._take(data[start:end]),
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise InvalidRequest("The form's Content-Type names no usable boundary.") from error
        if not boundary:
            raise InvalidRequest("The form's Content-Type names no boundary.")

    def _begin_part(self) -> None:
        self._disposition = b""

    def _end_header(self) -> None:
        if bytes(self._header_name).lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _begin_body(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        file_name = options.get(b"filename")
        self._begin(name, None if file_name is None else file_name.decode("utf-8", "replace"))

    def _end(self) -> None:
        self._ended = True

    async def feed(self) -> bool:
        """Read the next piece of the body; return False at its end.

        Raises:
            InvalidRequest: The form is malformed, or ends before its closing boundary.
        """
        async for chunk in self._stream:
            if not chunk:
                continue
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise InvalidRequest("The form is malformed; send it as multipart/form-data.") from error
            return True
        if not self._ended:
            raise InvalidRequest("The form ends before its closing boundary; send it again, whole.")
        return False
