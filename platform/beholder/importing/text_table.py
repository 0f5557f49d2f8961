"""CSV, TSV and other delimited text as rows: its encoding and delimiter are told from the bytes, and rows are numbered as a
spreadsheet would."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from beholder.errors import SpreadsheetError
from beholder.storage import Place

DELIMITERS = (",", ";", "\t", "|", "=")
_HEAD = 2**16  # bytes that delimiter and encoding are first looked for in
_CHUNK = 2**22
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # Excel's own first line
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class TextTable:
    """A file of delimited text. encoding: Python's name; delimiter: one character; guessed: what was not certain, for people."""

    place: Place
    encoding: str
    delimiter: str
    guessed: str = ""

    @classmethod
    def of(cls, place: Place, *, encoding: str | None = None, delimiter: str | None = None) -> "TextTable":
        """Return the table in a file. encoding and delimiter: None to tell them from the bytes.

        Raises SpreadsheetError for an unknown encoding, and for bytes that are no text.
        """
        guessed = ""
        if encoding is None:
            encoding, guessed = _encoding(place)
        else:
            try:
                encoding = codecs.lookup(encoding).name
            except LookupError:
                raise SpreadsheetError(
                    f"{encoding!r} is no encoding; expected utf-8, utf-16, cp1252, latin-1, shift_jis, ..."
                ) from None
        table = cls(place, encoding, delimiter or ",", guessed)
        if delimiter is None:
            table = cls(place, encoding, table._delimiter(), guessed)
        return table

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (number, cells) of each row that has any cells; the first row of the file is number 1.

        Bytes that are not of the encoding come as lone surrogates. Raises SpreadsheetError where a quote is never closed.
        """
        with self.place.open() as file:
            reader = csv.reader(self._lines(file), delimiter=self.delimiter)
            number = 0
            try:
                for number, cells in enumerate(reader, start=1):
                    if cells and not (number == 1 and _SEPARATOR_LINE.fullmatch(self.delimiter.join(cells))):
                        yield number, cells
            except csv.Error as error:
                raise SpreadsheetError(
                    f"{self.place.uri} is broken after row {number}: {error} (a quote that never closes?)"
                ) from None
            except UnicodeError as error:
                raise SpreadsheetError(f"{self.place.uri} is no text in {self.encoding}: {error}") from None

    def _lines(self, file: Any) -> Iterator[str]:
        lines: Iterator[str] = io.TextIOWrapper(file, encoding=self.encoding, errors="surrogateescape", newline="")
        for line in lines:
            yield line.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in line else line

    def _delimiter(self) -> str:
        """Return the delimiter under which the first lines have the most columns, and equally many."""
        if self.place.name.lower().endswith((".tsv", ".tab")):
            return "\t"
        with self.place.open() as file:
            text = bytes(file.read(_HEAD)).decode(self.encoding, errors="ignore")
        lines = text.splitlines()
        if lines and (said := _SEPARATOR_LINE.fullmatch(lines[0].lstrip("\ufeff"))):
            return said[1]
        whole = lines[:-1] if len(text) >= _HEAD // 4 and len(lines) > 1 else lines
        best, most = ",", (0.0, 0)
        for delimiter in DELIMITERS:
            try:
                counts = [len(row) for row in csv.reader(whole[:50], delimiter=delimiter) if row]
            except csv.Error:
                continue
            if not counts or max(counts) < 2 or (delimiter == "=" and (min(counts) != max(counts) or max(counts) < 3)):
                continue
            usual = max(set(counts), key=counts.count)
            score = (counts.count(usual) / len(counts) if usual > 1 else 0.0, usual)
            if score > most:
                best, most = delimiter, score
        return best


def _encoding(place: Place) -> tuple[str, str]:
    """Return the encoding of a file, and what to tell people where it is a guess. Raises SpreadsheetError where it is no text."""
    with place.open() as file:
        head = bytes(file.read(_HEAD))
        for mark, name in _MARKS:
            if head.startswith(mark):
                return name, ""
        if b"\0" in head:
            even, odd = head[0::2].count(0), head[1::2].count(0)
            if max(even, odd) > 0.3 * len(head) / 2 and min(even, odd) * 4 < max(even, odd):
                name = "utf-16-le" if odd > even else "utf-16-be"
                return name, f"encoding={name}"
            raise SpreadsheetError(f"{place.uri} is no text: it has zero bytes; expected .csv, .tsv, .jsonl, .parquet or .xlsx")
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        strange = whole = 0
        controls = set()
        data = head
        while data:
            text = decoder.decode(data)
            if not text.isascii():
                bad = re.findall("[\udc80-\udcff]", text)
                strange += len(bad)
                whole += sum(1 for each in text if each > "\x7f") - len(bad)
                controls.update(bad)
            data = bytes(file.read(_CHUNK))
    if not strange:
        return "utf-8", ""
    if whole > strange:
        return "utf-8", f"{strange} bytes that are no UTF-8"
    undefined = {chr(0xDC00 + byte) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}  # as surrogateescape has them
    name = "latin-1" if controls & undefined else "cp1252"
    return name, f"encoding={name}"
