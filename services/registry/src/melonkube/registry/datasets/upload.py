"""The form of an upload: one ``file``, which goes straight through, and perhaps a ``name``, in any order."""

from collections.abc import AsyncIterator

from pydantic import TypeAdapter, ValidationError

from melonkube.contracts.base import Name
from melonkube.contracts.errors import ProblemItem
from melonkube.kit.errors import InvalidRequest
from melonkube.registry.forms import FormReader

_NAME_BYTES = 4096
_FIELDS = ("file", "name")
_NAME = TypeAdapter(Name)


class Upload:
    """An upload that is arriving. Read :meth:`file` to its end; then ``file_name`` and ``name`` are known."""

    def __init__(self, content_type: str | None, stream: AsyncIterator[bytes]) -> None:
        """Prepare to read ``stream``.

        Raises:
            UnsupportedMediaType: The body is not a form.
            InvalidRequest: Its boundary is missing.
        """
        self._form = FormReader(content_type, stream, self._begin, self._take)
        self._part = ""
        self._pending: list[bytes] = []
        self._seen: set[str] = set()
        self._given_name = bytearray()
        self.file_name = ""
        """The file's own name, without a folder."""

    def _begin(self, name: str, file_name: str | None) -> None:
        if name not in _FIELDS:
            raise _fault(f"/{name}", "extra_forbidden", f"The form has a field '{name}'; only 'file' and 'name' are.")
        if name in self._seen:
            raise _fault(f"/{name}", "duplicate", f"The form has '{name}' twice; send one.")
        self._seen.add(name)
        self._part = name
        if name == "file":
            if file_name is None:
                raise _fault("/file", "file_type", "The field 'file' holds no file; send the file with its name.")
            self.file_name = _storable(file_name.replace("\\", "/").rsplit("/", 1)[-1])

    def _take(self, piece: bytes) -> None:
        if self._part == "file":
            self._pending.append(piece)
            return
        self._given_name += piece
        if len(self._given_name) > _NAME_BYTES:
            raise _fault("/name", "string_too_long", "The name is too long.")

    async def file(self) -> AsyncIterator[bytes]:
        """Yield the file's bytes as they come, and read the form to its end.

        Raises:
            InvalidRequest: The form is malformed, cut off, has no file or has other fields.
        """
        more = True
        while more:
            more = await self._form.feed()
            if self._pending:
                pieces, self._pending = self._pending, []
                yield b"".join(pieces) if len(pieces) > 1 else pieces[0]
        if "file" not in self._seen:
            raise _fault("/file", "missing", "The form has no field 'file'; send the table in it.")

    @property
    def name(self) -> str:
        """The name to give to the data set: the form's, or the file name's stem.

        Raises:
            InvalidRequest: The name given is not one.
        """
        if "name" not in self._seen:
            return default_name(self.file_name)
        try:
            return _NAME.validate_python(self._given_name.decode("utf-8").strip())
        except UnicodeDecodeError as error:
            raise _fault("/name", "string_unicode", "The name is not UTF-8.") from error
        except ValidationError as error:
            raise _fault(
                "/name",
                error.errors()[0]["type"],
                "The name must have 1 to 128 characters, and neither a slash nor control characters.",
            ) from error


def default_name(file_name: str) -> str:
    """Return the name of a data set whose file is called so: its stem, or ``data`` if that is no name."""
    stem = file_name.rsplit(".", 1)[0] if "." in file_name[1:] else file_name
    kept = "".join(char for char in stem if char.isprintable() and char != "/").strip()[:128].strip()
    return kept or "data"


def _storable(text: str) -> str:
    return text.replace("\x00", "")


def _fault(pointer: str, code: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, errors=[ProblemItem(pointer=pointer, code=code, detail=detail)])
