"""`/_proxy/`: the page on which compression is tried and traffic watched, and what confines it."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from .. import inbound
from .local_pages import PageGuard

_PAGE = "index.html"
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_CONFINEMENT = {
    # Its own files, this proxy and nobody else; no script can turn a text into
    # markup (https://www.w3.org/TR/trusted-types/).
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def web_page(guard: PageGuard) -> list[HTTPRouteHandler]:
    """The page, at `/_proxy/`, and a route for each of the files that it loads."""
    folder = files(inbound).joinpath("web")
    return [
        _file("/_proxy/" if each.name == _PAGE else f"/_proxy/web/{each.name}", each, guard)
        for each in folder.iterdir()
        if PurePath(each.name).suffix in _MEDIA_TYPES
    ]


def _file(path: str, file: Traversable, guard: PageGuard) -> HTTPRouteHandler:
    content, media_type = file.read_bytes(), _MEDIA_TYPES[PurePath(file.name).suffix]

    @get(path, sync_to_thread=False, guards=[guard])
    def page() -> Response[bytes]:
        return Response(content, media_type=media_type, headers=_CONFINEMENT)

    return page
