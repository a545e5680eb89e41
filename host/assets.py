"""The page's own files, read once at start: few, small, and the same for everybody."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from aiohttp import hdrs, web

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}


class Asset(NamedTuple):
    """One file as it is sent."""

    body: bytes
    content_type: str
    etag: str


def read_assets(folder: Path = FOLDER) -> dict[str, Asset]:
    """Every file of a type the page uses, by its path in the folder: `base.css`, `review/player.js`."""
    paths = (path for path in folder.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(folder).as_posix(): _read(path) for path in paths}


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:16]}"')


def answer(request: web.Request, asset: Asset) -> web.Response:
    """The file; 304 to a browser that has it already."""
    if request.headers.get(hdrs.IF_NONE_MATCH) == asset.etag:
        return web.Response(status=304, headers={hdrs.ETAG: asset.etag})
    return web.Response(body=asset.body, headers={hdrs.CONTENT_TYPE: asset.content_type, hdrs.ETAG: asset.etag})
