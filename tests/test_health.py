"""The car's own state, from files as a Raspberry Pi writes them."""

from pathlib import Path

from edge.health import read_health


def test_a_raspberry_pi_s_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "temp").write_text("51540\n")
    (tmp_path / "throttled").write_text("50005\n")
    health = read_health(tmp_path / "temp", tmp_path / "throttled")
    assert health.temperature_c == 51.54
    assert health.throttled == 0x50005
    assert health.memory_bytes is not None
    assert health.memory_bytes > 1_000_000


def test_what_is_not_there_or_rubbish_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "temp").write_bytes(b"\xff\xfe hot")
    health = read_health(tmp_path / "temp", tmp_path / "missing")
    assert health.temperature_c is None
    assert health.throttled is None
