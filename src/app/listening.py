"""Whether the address to listen on can be had, before anything is started to listen there."""

import asyncio
import errno
import os
import socket

from .readers import shown

_HOST_MUST_BE = "it must be an address or host name of this machine"


def listening_problem(host: str, port: int) -> str | None:
    """Why nothing can listen there, as one line that names the variable; None if something can."""
    try:
        asyncio.run(_bind(host, port))
    except socket.gaierror as error:
        return f"HOST: {shown(host)} is not known ({error.strerror}); {_HOST_MUST_BE}"
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            return f"HOST: {shown(host)} is not of this machine; {_HOST_MUST_BE}"
        # asyncio's own text goes on about its attempt.
        reason = os.strerror(error.errno or 0).lower()
        return f"PORT: {port} cannot be had at {shown(host)} ({reason}); it must be a free port"
    return None


async def _bind(host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, host, port, start_serving=False)
    server.close()
