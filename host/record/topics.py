"""What a tape holds, in words that other programs know: topics, their schemas, and one message of each.

    /camera  /mask   foxglove.CompressedImage (protobuf)   the JPEG as it came
    /frame           pilotlens.Entry (JSON)                all else that is known of the frame
    /events          foxglove.Log (protobuf)               what happened: `name` kind, `message` text, `file` tick

Log times are the wall clock of the capture; the messages of one frame bear the same sequence number.
"""

from typing import Any

import msgspec
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.Log_pb2 import Log
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from mcap.records import Channel, Schema

from host.record.entry import Entry, Event, check_times

FRAME, EVENTS = "/frame", "/events"
PICTURES = {"camera": "/camera", "mask": "/mask"}
"""Topics of the pictures by kind (see wire.PARTS)."""
CHANNELS = {1: "/camera", 2: "/mask", 3: FRAME, 4: EVENTS}
"""Channels of a tape by number."""
NUMBERS = {topic: number for number, topic in CHANNELS.items()}

_LEVELS = {"trouble": Log.ERROR, "gap": Log.WARNING, "restart": Log.WARNING}


def schemas() -> list[Schema]:
    """The schemas of a tape, numbered from 1."""
    return [
        Schema(id=1, name="foxglove.CompressedImage", encoding="protobuf", data=_descriptors(CompressedImage)),
        Schema(id=2, name="pilotlens.Entry", encoding="jsonschema", data=msgspec.json.encode(entry_schema())),
        Schema(id=3, name="foxglove.Log", encoding="protobuf", data=_descriptors(Log)),
    ]


def channels() -> list[Channel]:
    """The channels of a tape, in the order of their numbers."""
    about = {"name": "kind", "message": "text", "file": "tick: 1/90000 s since the first frame of the video"}
    return [
        Channel(id=1, topic="/camera", message_encoding="protobuf", schema_id=1, metadata={}),
        Channel(id=2, topic="/mask", message_encoding="protobuf", schema_id=1, metadata={}),
        Channel(id=3, topic=FRAME, message_encoding="json", schema_id=2, metadata={}),
        Channel(id=4, topic=EVENTS, message_encoding="protobuf", schema_id=3, metadata=about),
    ]


def image(jpeg: bytes, kind: str, unix_ns: int) -> bytes:
    """A picture as a foxglove.CompressedImage."""
    message = CompressedImage(timestamp=_timestamp(unix_ns), frame_id=kind, data=jpeg, format="jpeg")
    return _bytes(message)


def jpeg(data: bytes) -> bytes:
    """The picture in a foxglove.CompressedImage. Raises ValueError for bytes that are none."""
    try:
        found: bytes = CompressedImage.FromString(data).data
    except DecodeError as why:
        raise ValueError(f"no CompressedImage: {why}") from why
    return found


def log(event: Event) -> bytes:
    """An event as a foxglove.Log."""
    message = Log(
        timestamp=_timestamp(event.unix_ns),
        level=_LEVELS.get(event.kind, Log.INFO),
        message=_sendable(event.text),
        name=_sendable(event.kind),
        file=str(event.tick),
    )
    return _bytes(message)


def event(data: bytes) -> Event:
    """The event in a foxglove.Log. Raises ValueError for bytes that hold none."""
    try:
        message = Log.FromString(data)
    except DecodeError as why:
        raise ValueError(f"no Log: {why}") from why
    time = message.timestamp
    unix_ns = time.seconds * 1_000_000_000 + time.nanos
    tick = int(message.file[:20])
    check_times(tick, unix_ns)
    return Event(unix_ns=unix_ns, tick=tick, kind=message.name, text=message.message)


def entry_schema() -> dict[str, Any]:
    """JSON schema of an Entry in the form Foxglove reads: no references, one type a field, no nulls."""
    schema = msgspec.json.schema(Entry)
    plain = _plain(schema, schema["$defs"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **plain, "title": "pilotlens.Entry"}


def _plain(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema with references put in place; what may be null is what may be missing."""
    if "$ref" in schema:
        return _plain(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return _plain(next(one for one in schema["anyOf"] if one != {"type": "null"}), definitions)
    if "enum" in schema:
        return {"type": "string"}
    plain: dict[str, Any] = {key: schema[key] for key in ("type", "required", "description") if key in schema}
    if "properties" in schema:
        plain["properties"] = {name: _plain(one, definitions) for name, one in schema["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            plain[inner] = _plain(schema[inner], definitions)
    return plain


def _bytes(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _descriptors(message: Any) -> bytes:
    """The file the message is defined in and all that it needs, as a FileDescriptorSet; what is needed comes first."""
    files: dict[str, Any] = {}

    def add(file: Any) -> None:
        if file.name not in files:
            for needed in file.dependencies:
                add(needed)
            files[file.name] = file

    add(message.DESCRIPTOR.file)
    found = FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(found.file.add())
    return _bytes(found)


def _timestamp(unix_ns: int) -> Timestamp:
    seconds, nanos = divmod(unix_ns, 1_000_000_000)
    return Timestamp(seconds=seconds, nanos=nanos)


def _sendable(text: str) -> str:
    """The text without halves of characters, which no encoding has."""
    return text.encode(errors="replace").decode()
