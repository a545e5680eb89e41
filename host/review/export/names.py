"""Names for files that are downloaded: from any title, safe on any disk and in an HTTP header."""

import unicodedata
from urllib.parse import quote

from host.review.export.source import Source, Span

TITLE_BYTES, NAME_BYTES = 120, 80
"""What is kept of a title and of a session's name; file systems take 255 in all."""
FORBIDDEN = frozenset('\\/:*?"<>|')
"""What one system or another does not take in a name."""
HIDDEN = ("C", "Zl", "Zp")
"""Kinds of characters that do not show, or turn the order of others around."""
DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


def file_name(source: Source, span: Span, suffix: str) -> str:
    """What an export is called: `sharp left - kart-20261123-041500Z - 12.5-20s.mp4`."""
    parts = safe(source.notes.title, TITLE_BYTES), safe(source.name, NAME_BYTES) or "session", _part(span)
    return " - ".join(part for part in parts if part) + suffix


def safe(text: str, most_bytes: int) -> str:
    """The text as a name of a file: nothing that hides, leads elsewhere, or means a device. May be empty."""
    shown = "".join(map(_shown, unicodedata.normalize("NFC", text)))
    name = " ".join(shown.split()).strip(". ")
    name = name.encode(errors="ignore")[:most_bytes].decode(errors="ignore").strip(". ")
    return f"_{name}" if name.partition(".")[0].rstrip().lower() in DEVICES else name


def disposition(name: str) -> str:
    """A Content-Disposition header (RFC 6266): the name for everybody, and as it is for browsers that know how."""
    plain = "".join(map(_ascii, unicodedata.normalize("NFKD", name)))
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _shown(letter: str) -> str:
    kind = unicodedata.category(letter)
    return "_" if letter in FORBIDDEN else " " if kind.startswith(HIDDEN) else letter


def _ascii(letter: str) -> str:
    if unicodedata.combining(letter):
        return ""
    return letter if letter.isascii() and letter.isprintable() and letter not in '"\\%' else "_"


def _part(span: Span) -> str:
    if span == Span():
        return ""
    stop = "end" if span.stop_s is None else f"{span.stop_s:.7g}s"
    return f"{span.start_s:.7g}-{stop}"
