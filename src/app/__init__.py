"""How the product is put together and run."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..adapters.inbound.asgi import Application
    from .container import Container

__all__ = ["create_app"]


def create_app(container: "Container | None" = None) -> "Application":
    """The ASGI application: `uvicorn --factory openai_proxy.app:create_app`."""
    # Commands that serve nothing start without Litestar.
    from .application import create_app as build  # noqa: PLC0415

    return build(container)
