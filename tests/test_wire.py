"""The wire: golden bytes, round trips, and any bytes at all."""

from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wire

GOLDEN = Path(__file__).parent / "data" / "wire"
"""Messages as files named by what they are: `<direction>-ok-<what>.bin`, or `<direction>-<error>-<defect>.bin`.

Parts are joined as they stand, each behind its length as four bytes, big-endian.
"""

FRAME = wire.Frame(
    car="red-5",
    session="00ff",
    seq=7,
    captured_ns=1_000,
    sent_ns=2_000,
    stages_ns={"pilot": 900_000, "mask": 90_000},
    width=160,
    height=120,
    drive=wire.Drive(-0.25, 0.5),
    recorded=wire.Drive(-0.2, 0.4),
    outputs={"n_outputs0": [-0.25], "n_outputs1": [0.5]},
    mask=wire.MaskStats(12.5, 14.0, signed=True, shares=[0.5, 0, 0, 0, 0, 0, 0.25, 0.25, 0]),
    check=wire.Check(method="visualbackprop", ratio=5.25, low=4.0, high=6.5, frames=60),
    refused="The map is no map.",
    drops={"frames replaced before the pilot": 3},
    health=wire.Health(temperature_c=51.5, throttled=0, memory_bytes=123_456_789),
    parts=[wire.Part(kind="overlay", size_bytes=3, width=160, height=120)],
)
STATUS = wire.Status(
    car="red-5",
    session="00ff",
    ping_ns=1,
    received_ns=2,
    sent_ns=3,
    trouble="No camera.",
    pilot_sha256="0123456789abcdef" * 4,
    methods=["visualbackprop", "edges"],
    refusals={"gradient": "Its LSTM has no backward pass."},
    targets=["steering"],
    layers=["conv1", "conv2"],
)

CHECK = msgspec.to_builtins(FRAME.check)


def split(data: bytes) -> list[bytes]:
    parts = []
    while data:
        size = int.from_bytes(data[:4], "big")
        parts.append(data[4 : 4 + size])
        data = data[4 + size :]
    return parts


def join(parts: list[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def raw(fields: dict[str, object], version: int = wire.VERSION) -> bytes:
    return wire.MAGIC + bytes((version,)) + msgspec.msgpack.encode(fields)


def frame_fields(**changes: object) -> dict[str, object]:
    return {**msgspec.to_builtins(FRAME), "parts": [], **changes}


def golden_messages() -> dict[str, list[bytes]]:
    """Every golden file's content. They change with the wire's version; `python -m tests.test_wire` writes them."""
    part = {"kind": "overlay", "size_bytes": 3, "width": 160, "height": 120}
    return {
        "down-ok-frame": [wire.encode(FRAME), b"\xff\xd8\xff"],
        "down-ok-status": [wire.encode(STATUS)],
        "down-ok-field-from-the-future": [raw(frame_fields(lidar={"points": [1, 2, 3]}))],
        "down-ok-part-from-the-future": [
            raw(frame_fields(parts=[{**part, "kind": "depth", "encoding": "png"}])),
            b"abc",
        ],
        "up-ok-ping": [wire.encode(wire.Ping(sent_ns=5))],
        "up-ok-credit": [wire.encode(wire.Credit(session="00ff", seq=7, window=2, want=["overlay"]))],
        "up-ok-settings": [wire.encode(wire.Settings(look=wire.Look(strength=0.4, method="gradcam", layer="c3")))],
        "up-ok-look-of-the-past": [raw({"type": "settings", "look": {"strength": 0.4, "mask": "coverage"}})],
        "down-NotPilotLens-http-request": [b"GET / HTTP/1.1\r\n\r\n"],
        "down-NotPilotLens-empty-part": [b""],
        "down-NotPilotLens-no-parts": [],
        "down-WrongVersion-two": [raw(frame_fields(), version=2)],
        "down-TooLarge-nine-parts": [raw(frame_fields()), *[b""] * 9],
        "down-TooLarge-header": [raw(frame_fields(padding="x" * wire.MAX_HEADER_BYTES))],
        "down-Malformed-truncated": [wire.encode(FRAME)[:-9]],
        "down-Malformed-no-map": [wire.MAGIC + bytes((wire.VERSION,)) + msgspec.msgpack.encode([1, 2])],
        "down-Malformed-nested-bomb": [
            wire.MAGIC + bytes((wire.VERSION,)) + b"\x82\xa4type\xa5frame\xa1a" + b"\x91" * 9999
        ],
        "down-Malformed-wrong-direction": [wire.encode(wire.Ping(sent_ns=5))],
        "down-Malformed-car-is-a-path": [raw(frame_fields(car="../../etc"))],
        "down-Malformed-car-ends-in-newline": [raw(frame_fields(car="car\n"))],
        "down-Malformed-negative-seq": [raw(frame_fields(seq=-1))],
        "down-Malformed-huge-part-announced": [raw(frame_fields(parts=[{**part, "size_bytes": 2**40}])), b""],
        "down-Malformed-text-for-number": [raw(frame_fields(width="wide"))],
        "down-Malformed-not-utf8": [wire.encode(STATUS).replace(b"No camera.", b"No\xff\xfecamera")],
        "down-PartsMismatch-part-missing": [wire.encode(FRAME)],
        "down-PartsMismatch-part-short": [wire.encode(FRAME), b"\xff\xd8"],
        "down-PartsMismatch-status-with-part": [wire.encode(STATUS), b"?"],
        "up-Malformed-window-four": [raw({"type": "credit", "window": 4})],
        "up-Malformed-strength-nan": [raw({"type": "settings", "look": {"strength": float("nan")}})],
        "up-Malformed-unknown-colormap": [raw({"type": "settings", "look": {"colormap": "plaid"}})],
        "up-Malformed-unknown-method": [raw({"type": "settings", "look": {"method": "tea leaves"}})],
        "up-Malformed-unknown-target": [raw({"type": "settings", "look": {"target": "horn"}})],
        "up-Malformed-endless-layer": [raw({"type": "settings", "look": {"layer": "x" * 65}})],
        "down-Malformed-check-of-nothing": [raw(frame_fields(check={**CHECK, "frames": 0}))],
        "down-Malformed-check-nan": [raw(frame_fields(check={**CHECK, "ratio": float("nan")}))],
        "down-Malformed-too-many-layers": [raw({**msgspec.to_builtins(STATUS), "layers": ["c"] * 33})],
        "up-Malformed-unknown-type": [raw({"type": "reboot"})],
        "up-PartsMismatch-ping-with-part": [wire.encode(wire.Ping(sent_ns=5)), b"?"],
    }


def decode(direction: str, message: list[bytes]) -> object:
    return wire.decode_down(message) if direction == "down" else wire.decode_up(message)


def test_every_golden_message_has_its_file_and_its_bytes() -> None:
    files = {path.stem: split(path.read_bytes()) for path in GOLDEN.glob("*.bin")}
    assert files == golden_messages()


@pytest.mark.parametrize("name", sorted(golden_messages()))
def test_golden_messages_are_read_as_their_names_say(name: str) -> None:
    direction, verdict, _ = name.split("-", 2)
    message = split((GOLDEN / f"{name}.bin").read_bytes())
    if verdict == "ok":
        decode(direction, message)
    else:
        with pytest.raises(wire.WireError) as caught:
            decode(direction, message)
        assert type(caught.value).__name__ == verdict
        assert len(str(caught.value)) < 400


def test_the_golden_frame_is_read_back_whole() -> None:
    header, parts = wire.decode_down(split((GOLDEN / "down-ok-frame.bin").read_bytes()))
    assert header == FRAME
    assert parts == {"overlay": b"\xff\xd8\xff"}


def test_every_method_and_target_of_the_wire_can_be_asked_for() -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(wire.Look)}
    assert get_args(fields["method"]) == wire.METHODS
    assert get_args(fields["target"]) == wire.TARGETS


def test_the_fullest_status_there_can_be_fits_its_header() -> None:
    names = [f"{number:-^64}" for number in range(32)]
    full = wire.Status(
        car="c" * 32,
        session="0" * 32,
        ping_ns=2**63 - 1,
        received_ns=2**63 - 1,
        sent_ns=2**63 - 1,
        trouble="t" * 400,
        methods=list(wire.METHODS),
        refusals=dict.fromkeys(wire.METHODS, "r" * 400),
        targets=list(wire.TARGETS),
        layers=names,
    )
    assert wire.decode_down([wire.encode(full)]).header == full


def test_a_header_stays_far_below_its_limit() -> None:
    assert len(wire.encode(FRAME)) < 1024


LOOKS = st.builds(
    wire.Look,
    strength=st.floats(0, 1),
    colormap=st.sampled_from(wire.COLORMAPS),
    method=st.sampled_from(wire.METHODS),
    target=st.sampled_from(wire.TARGETS),
    layer=st.text(max_size=64),
    gamma=st.floats(0.2, 2),
    smoothing=st.floats(0, 0.95),
    gauges=st.booleans(),
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", fullmatch=True)
TIMES = st.integers(0, 2**63 - 1)
DRIVES = st.builds(wire.Drive, st.floats(allow_nan=False), st.floats(allow_nan=False))
LABELS = st.text(min_size=1, max_size=64)
RATIOS = st.floats(0, 1e6)
CHECKS = st.builds(wire.Check, method=LABELS, ratio=RATIOS, low=RATIOS, high=RATIOS, frames=st.integers(1, 2**31))
UP = st.one_of(
    st.builds(wire.Ping, sent_ns=TIMES),
    st.builds(
        wire.Credit,
        session=st.just("ab"),
        seq=st.integers(-1, 2**63 - 1),
        window=st.integers(0, 3),
        want=st.lists(LABELS, max_size=8),
    ),
    st.builds(wire.Settings, look=LOOKS),
)


@given(UP)
def test_requests_survive_the_trip(message: wire.Up) -> None:
    assert wire.decode_up([wire.encode(message)]) == message


@given(st.data())
@settings(max_examples=50)
def test_frames_survive_the_trip(data: st.DataObject) -> None:
    pictures = data.draw(st.dictionaries(st.sampled_from(wire.PARTS), st.binary(max_size=64)))
    frame = wire.Frame(
        car=data.draw(NAMES),
        session="ab12",
        seq=data.draw(TIMES),
        captured_ns=data.draw(TIMES),
        sent_ns=data.draw(TIMES),
        stages_ns=data.draw(st.dictionaries(LABELS, TIMES, max_size=16)),
        width=data.draw(st.integers(1, 16384)),
        height=data.draw(st.integers(1, 16384)),
        drive=data.draw(st.none() | DRIVES),
        outputs=data.draw(st.dictionaries(LABELS, st.lists(st.floats(allow_nan=False), max_size=8), max_size=4)),
        look=data.draw(LOOKS),
        check=data.draw(st.none() | CHECKS),
        refused=data.draw(st.text(max_size=400)),
        parts=[wire.Part(kind=kind, size_bytes=len(body), width=1, height=1) for kind, body in pictures.items()],
    )
    assert wire.decode_down([wire.encode(frame), *pictures.values()]) == (frame, pictures)


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_any_bytes_give_a_message_or_a_wire_error(message: list[bytes]) -> None:
    for direction in ("down", "up"):
        try:
            decode(direction, message)
        except wire.WireError:
            continue


@given(st.binary(max_size=300), st.integers(0, 400), st.booleans())
@settings(max_examples=300)
def test_damaged_messages_give_a_message_or_a_wire_error(noise: bytes, at: int, cut: bool) -> None:
    for header in (wire.encode(FRAME), wire.encode(STATUS), wire.encode(wire.Settings(look=wire.Look()))):
        damaged = header[:at] + noise + (b"" if cut else header[at + len(noise) :])
        for direction in ("down", "up"):
            try:
                decode(direction, [damaged, b"\xff\xd8\xff"])
            except wire.WireError:
                continue


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for stem, parts in golden_messages().items():
        (GOLDEN / f"{stem}.bin").write_bytes(join(parts))
