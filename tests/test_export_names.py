"""Names of downloads: any title makes one that every disk and every browser takes."""

import email.message
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from host.record.notes import Notes
from host.review.export.names import disposition, file_name, safe
from host.review.export.source import Source, Span
from tests.exports import NAME, Making


@given(st.text())
@example("../../etc/passwd")
@example("a" * 5000)
@example("é" * 200)
@example("photo\u202egpj.exe")
@example("CON")
@example("nul.tar.gz")
@example("…/.hidden. . ")
@example("\ud800")
def test_any_title_makes_a_name_that_every_disk_takes(title: str) -> None:
    name = safe(title, 120)
    assert len(name.encode()) <= 121
    assert not set(name) & set('\\/:*?"<>|\r\n\t\0')
    assert all(unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for letter in name)
    assert not name.startswith((".", " "))
    assert not name.endswith((".", " "))
    assert name.partition(".")[0].lower() not in {"con", "nul", "com1", "lpt9", "aux"}
    assert safe(name, 121) == name


@pytest.mark.parametrize(
    ("title", "span", "name"),
    [
        ("", Span(), f"{NAME}.mp4"),
        ("Kurve links", Span(), f"Kurve links - {NAME}.mp4"),
        ("Kurve: links/rechts?", Span(90_000), f"Kurve_ links_rechts_ - {NAME} - 1-end.mp4"),
        ("…", Span(0, 1_111_111), f"… - {NAME} - 0-12.34568s.mp4"),
        (" .. ", Span(0, 90_000 * 3600), f"{NAME} - 0-3600s.mp4"),
    ],
)
def test_names_say_what_it_is(tmp_path: Path, title: str, span: Span, name: str) -> None:
    folder = Making([], tape=False, film=False, notes=Notes(title=title)).session(tmp_path)
    with Source(folder) as source:
        assert file_name(source, span, ".mp4") == name


def test_the_longest_name_is_short_enough(tmp_path: Path) -> None:
    folder = Making([], tape=False, film=False, name="n" * 200, notes=Notes(title="é" * 200)).session(tmp_path)
    with Source(folder) as source:
        name = file_name(source, Span(111_111_111, 999_999_999_999), ".mcap")
    assert len(name.encode()) <= 255
    (tmp_path / name).touch()


@given(st.text())
@example('a"b\\c%41\r\nX-Evil: 1')
@example("№ Ω é 左")
def test_a_header_says_the_name_twice(title: str) -> None:
    name = safe(title, 120) + ".mp4"
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert unquote(header.partition("filename*=UTF-8''")[2], errors="strict") == name
    message = email.message.Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"
    plain = message.get_filename()
    assert plain is not None
    assert plain.endswith(".mp4")
    if name.isascii():
        assert plain == name.replace("%", "_")
