"""Bytes on demand: a file, or some bytes and then a file, by HTTP ranges (RFC 9110, section 14).

One range is served as it is asked for; of several, which nobody needs here, the whole is sent instead, as the RFC
allows. A file that grows is served as long as it was when the request came.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import BinaryIO

from aiohttp import hdrs, web

PIECE_BYTES = 256 * 1024
"""Read at once, off the event loop."""


class Unsatisfiable(Exception):
    """The range lies beyond the end."""


def wanted(header: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last that a Range header asks for; None: the whole. Raises Unsatisfiable."""
    match = re.fullmatch(r"bytes=\s*(\d*)-(\d*)\s*", header, re.ASCII | re.IGNORECASE)
    if match is None or match[0].endswith("=-"):
        return None
    first, last = (int(text[:19]) if text else None for text in match.groups())
    if first is None:
        if not last or not size:
            raise Unsatisfiable
        return max(0, size - last), size
    if last is not None and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return first, size if last is None else min(last + 1, size)


async def send(
    request: web.Request,
    file: BinaryIO,
    content_type: str,
    *,
    head: bytes = b"",
    size: int | None = None,
    etag: str = "",
) -> web.StreamResponse:
    """`head`, then the first `size` bytes of the file (all of it where None), which is closed then.

    etag: names these bytes; where empty, the file's number, size and time do.
    """
    with file:
        state = os.fstat(file.fileno())
        size = state.st_size if size is None else min(size, state.st_size)
        etag = etag or f'"{state.st_ino:x}-{state.st_size:x}-{state.st_mtime_ns:x}"'
        headers: dict[str, str] = {
            hdrs.ACCEPT_RANGES: "bytes",
            hdrs.ETAG: etag,
            hdrs.LAST_MODIFIED: formatdate(int(state.st_mtime), usegmt=True),
            hdrs.CONTENT_TYPE: content_type,
        }
        return await _answer(request, file.fileno(), head, len(head) + size, headers)


async def _answer(
    request: web.Request, descriptor: int, head: bytes, total: int, headers: Mapping[str, str]
) -> web.StreamResponse:
    if request.headers.get(hdrs.IF_NONE_MATCH) == headers[hdrs.ETAG]:
        return web.Response(status=304, headers=headers)
    try:
        span = wanted(_range_of(request, headers), total)
    except Unsatisfiable:
        return web.Response(
            status=416, text=f"This has {total} bytes.", headers={hdrs.CONTENT_RANGE: f"bytes */{total}"}
        )
    first, end = span or (0, total)
    response = web.StreamResponse(status=206 if span else 200, headers=headers)
    response.content_length = end - first
    if span:
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {first}-{end - 1}/{total}"
    await response.prepare(request)
    try:
        if request.method != hdrs.METH_HEAD:
            await _copy(response, descriptor, head, first, end)
        await response.write_eof()
    except (OSError, EOFError):
        if request.transport is not None:
            request.transport.close()  # the client left, or must learn that the disk does not give the rest
    return response


def _range_of(request: web.Request, headers: Mapping[str, str]) -> str:
    """The Range header, where what the client has is still what there is."""
    condition = request.headers.get(hdrs.IF_RANGE, headers[hdrs.ETAG])
    current = condition in (headers[hdrs.ETAG], headers[hdrs.LAST_MODIFIED])
    return request.headers.get(hdrs.RANGE, "") if current else ""


async def _copy(response: web.StreamResponse, descriptor: int, head: bytes, first: int, end: int) -> None:
    while first < end:
        if first < len(head):
            piece = head[first:end][:PIECE_BYTES]
        else:
            count = min(PIECE_BYTES, end - first)
            piece = await asyncio.to_thread(os.pread, descriptor, count, first - len(head))
        if not piece:
            raise EOFError
        await response.write(piece)
        first += len(piece)
