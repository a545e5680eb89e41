"""Who may talk to the pit wall over HTTP, decided before any handler runs.

    request ─▶ names: is it meant for us? ─▶ origin: did our own page ask? ─▶ token: does it know the secret? ─▶ handler

On loopback there is no token: whoever is on this machine may watch. What must be kept out is another web page in the
same browser, so the Host header has to be a name of ours (a page that rebinds its own name to 127.0.0.1 carries its own
name) and a browser's request has to come from our own page. With a token any name goes: a foreign page has no cookie to
show.
"""

import hashlib
import hmac
import html
import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlencode, urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

MIN_TOKEN_CHARACTERS = 16
SAFE_METHODS = (hdrs.METH_GET, hdrs.METH_HEAD)
OPEN = "/static/"
"""Our own scripts and styles: the same for everybody, the page that asks for a token needs them."""
PICTURES = ("/stream/", "/snapshot/", "/sessions/")
"""Addresses that may carry the token each time: players and downloads have no cookies."""
REVIEW = "/review"
"""Where the pages of review begin: a token opens these for a browser once and for all, as it does the first one."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; connect-src 'self'; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class GuardError(Exception):
    """The guard cannot be set up like this; one sentence for a person."""


class Guard:
    """Decides on every request. `token` empty: no token is asked for and the Host header must be ours.

    names: what this machine may be called in a URL besides `localhost` and IP addresses.
    Raises GuardError for a token that is too short or a name that is none.
    """

    def __init__(self, token: str = "", names: Iterable[str] = ()) -> None:
        if token and not re.fullmatch(rf"[\x21-\x7e]{{{MIN_TOKEN_CHARACTERS},256}}", token):
            raise GuardError(
                f"the token must be {MIN_TOKEN_CHARACTERS} to 256 printable ASCII characters without spaces: "
                "give a longer one, or none to have one made"
            )
        self._token = token
        self._names = frozenset({"localhost", *map(_name, names)})
        self._cookie = "pilotlens_" + hashlib.sha256(token.encode()).hexdigest()[:8]

    @property
    def middleware(self) -> Middleware:
        """For web.Application; the outermost but the one that words errors."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._check_name(request)
            _check_origin(request)
            if not self._token or request.path.startswith(OPEN) or self._knows(request):
                return await handler(request)
            return self._let_in(request)

        return guard

    def _check_name(self, request: web.Request) -> None:
        """Raises 403 unless the Host header names us."""
        name = _host_name(request.host)
        if not (self._token or name in self._names or _is_address(name)):
            raise web.HTTPForbidden(
                text=f"This pit wall does not go by the name {name[:80]!r}: open it as localhost or by its IP address, "
                "or start it with --name."
            )

    def _knows(self, request: web.Request) -> bool:
        shown = [request.cookies.get(self._cookie, "")]
        scheme, _, bearer = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() == "bearer":
            shown.append(bearer.strip())
        if request.path.startswith(PICTURES):
            shown.append(request.query.get("token", ""))
        return any(map(self._is_token, shown))

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", "surrogateescape"), self._token.encode())

    def _let_in(self, request: web.Request) -> web.StreamResponse:
        """Turn a token in the page's URL into a cookie, or say that one is needed."""
        token = request.query.get("token")
        if _is_page(request.path) and request.method in SAFE_METHODS and token is not None and self._is_token(token):
            response = web.Response(status=303, headers={hdrs.LOCATION: _without_token(request)})
            response.set_cookie(
                self._cookie, self._token, httponly=True, samesite="Strict", secure=request.secure, path="/"
            )
            return response
        return _refuse(request, "This token is not the right one." if token else "This pit wall asks for a token.")


def _name(name: str) -> str:
    """A host name as compared here. Raises GuardError."""
    name = name.strip().rstrip(".").lower()
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name):
        raise GuardError(f"{name!r} is not a host name: give it without scheme and port, like pitwall.local")
    return name


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    name = re.sub(r":\d*\Z", "", host.strip().lower()) if not host.endswith("]") else host.strip().lower()
    return name.removeprefix("[").removesuffix("]").rstrip(".")


def _is_address(name: str) -> bool:
    """True for an IP address: nobody else can make that resolve to us."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _check_origin(request: web.Request) -> None:
    """Raises 403 where a browser says that another site's page asks. Scripts say nothing and pass."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    opened = request.method in SAFE_METHODS and request.headers.get("Sec-Fetch-Mode") == "navigate"
    origin = request.headers.get(hdrs.ORIGIN)
    foreign = site not in ("none", "same-origin") and not opened
    if foreign or (origin is not None and not _is_origin_of(origin, request.host)):
        raise web.HTTPForbidden(text="Another site's page asked for this; only this pit wall's own page may.")


def _is_origin_of(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts.netloc.lower().removesuffix(default) == host.lower().removesuffix(default) != ""


def _is_page(path: str) -> bool:
    return path in ("/", REVIEW) or path.startswith(f"{REVIEW}/")


def _rest(request: web.Request) -> list[tuple[str, str]]:
    """What the query says besides the token."""
    return [(key, value) for key, value in request.query.items() if key not in ("token", "again")]


def _without_token(request: web.Request, *more: tuple[str, str]) -> str:
    rest = [*_rest(request), *more]
    return request.rel_url.raw_path + ("?" + urlencode(rest) if rest else "")


def _refuse(request: web.Request, why: str) -> web.Response:
    """401: a page with a field for a person, a sentence for a script."""
    headers: dict[str, str] = {hdrs.WWW_AUTHENTICATE: 'Bearer realm="pilotlens"', hdrs.CACHE_CONTROL: "no-store"}
    how = "Open the address that was printed when it started, or paste the token here."
    if "text/html" not in request.headers.get(hdrs.ACCEPT, ""):
        how = "Send it as 'Authorization: Bearer …'."
        return web.Response(status=401, text=f"{why} {how}", headers=headers)
    if "again" not in request.query and "token" not in request.query:
        # A link on another site brings no strict cookie along; coming from this page it does.
        headers["Refresh"] = f"0; url={_without_token(request, ('again', '')) if _is_page(request.path) else '/?again'}"
    page = _PAGE.format(why=html.escape(why), how=html.escape(how), page=_door(request))
    return web.Response(status=401, text=page, content_type="text/html", headers=headers)


def _door(request: web.Request) -> str:
    """The start of a form that leads back to the page that was asked for."""
    if not _is_page(request.path):
        return '<form action="/">'
    hidden = [
        f'<input type="hidden" name="{html.escape(key)}" value="{html.escape(value)}">' for key, value in _rest(request)
    ]
    return f'<form action="{html.escape(request.rel_url.raw_path)}">' + "".join(hidden)


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>PilotLens</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/static/icon.svg"><link rel="stylesheet" href="/static/base.css">
<main class="door"><h1>PilotLens</h1><p>{why}</p><p>{how}</p>
{page}
<input type="password" name="token" aria-label="Token" autocomplete="current-password" autofocus required>
<button>Open</button></form></main></html>
"""
