"""Bytes from files and pipes into checked text, with bounded memory."""

from __future__ import annotations

import codecs
import os
import re
import stat
import sys
from pathlib import Path

from memtype import arguments
from memtype.errors import ParseError
from memtype.reading.patterns import later

HEAD = 4096  # what `sniff_bytes` sees
MAX_BYTES = 64 << 20  # the longest dmesg ring buffer is 32 MiB; a dump of registers is far smaller
MAX_LINE = 1 << 20  # not for JSON, which may be one line

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]{1,4096}")
_JSON = later(r"\s*(?:\{|\[\s*[\[{\"])")  # a time stamp begins with "[" too
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's mark does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_bytes(path: str | os.PathLike[str]) -> tuple[str, bytes]:
    """(name for messages, content) of a file, or of standard input for "-"."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise ParseError(f"{arguments.shown(path)} is not the name of a file")
    path = os.fsdecode(path)
    if path == "-":
        return "<stdin>", _limited(_read_stdin(), "<stdin>")
    name = path
    try:
        mode = os.stat(name)
        if stat.S_ISDIR(mode.st_mode):
            raise ParseError(f"{name}: is a directory")
        if stat.S_ISREG(mode.st_mode) and mode.st_size > MAX_BYTES:
            raise _too_large(name, f"{mode.st_size} bytes")
        with Path(name).open("rb") as file:
            return name, _limited(file.read(MAX_BYTES + 1), name)
    except (OSError, ValueError) as error:
        if isinstance(error, ParseError):
            raise
        raise ParseError(f"{name!r}: {getattr(error, 'strerror', None) or error}") from error


def text_of(data: bytes, source: str) -> str:
    """Decoded text: UTF-8, UTF-16 or UTF-32; what is no UTF-8 is taken for Windows-1252, as old editors write.

    Raises
    ------
    ParseError
        For more than 64 MiB, or bytes that are no text.
    """
    _limited(data, source)
    marked = next((name for mark, name in _BOMS if data.startswith(mark)), None)
    if marked is None and b"\0" in data[:HEAD]:
        marked = _wide(data[:HEAD])
    text = data.decode(marked or "utf-8", errors="replace" if marked else "memtype-windows-1252")
    return checked_text(text, source)


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of plain text is 0."""
    low, high = head[::2], head[1::2]
    for zeros, others, name in ((high, low, "utf-16-le"), (low, high, "utf-16-be")):
        if zeros.count(0) * 10 >= len(zeros) * 9 and 0 not in others:
            return name
    return None


def _windows_1252(error: UnicodeError) -> tuple[str, int]:
    """The bytes from the first that is no UTF-8 to the next that is ASCII."""
    assert isinstance(error, UnicodeDecodeError)
    found = _BEYOND_ASCII.match(error.object, error.start)
    end = found.end() if found else error.end
    return error.object[error.start : end].decode("cp1252", "replace"), end


codecs.register_error("memtype-windows-1252", _windows_1252)


def checked_text(text: str, source: str) -> str:
    """`text`, once it is known to be text: no NUL, no line over 1 MiB (but JSON may be one line).

    A text without line feeds, as some serial loggers write it, gets them for its carriage returns.
    """
    if len(text) > MAX_BYTES:
        raise _too_large(source, f"{len(text)} characters")
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise ParseError(f"{source}:{line}: NUL byte at offset {nul}: binary, not a text dump")
    if "\r" in text and "\n" not in text:
        text = text.replace("\r", "\n")
    if not _JSON.match(text):
        _check_lines(text, source)
    return text


def _check_lines(text: str, source: str) -> None:
    start, number = 0, 1
    while len(text) - start > MAX_LINE:
        end = text.rfind("\n", start, start + MAX_LINE + 1)
        if end < 0:
            raise ParseError(f"{source}:{number}: a line of more than {MAX_LINE} characters")
        number += text.count("\n", start, end + 1)
        start = end + 1


def _read_stdin() -> bytes:
    if sys.stdin is None:
        return b""
    stream = getattr(sys.stdin, "buffer", None)
    try:
        if stream is None:
            return sys.stdin.read(MAX_BYTES + 1).encode()
        data: bytes = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ParseError(f"<stdin>: {error.strerror}") from None
    return data


def _limited(data: bytes, source: str) -> bytes:
    if len(data) > MAX_BYTES:
        raise _too_large(source, f"more than {MAX_BYTES} bytes")
    return data


def _too_large(source: str, size: str) -> ParseError:
    return ParseError(f"{source}: {size}; the limit is {MAX_BYTES >> 20} MiB (try journalctl -k -b, or grep -i mtrr)")
