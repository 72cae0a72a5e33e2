"""What is under way: requests and WebSockets alike, counted together, each under a name."""

import itertools
import secrets

from ...domain.errors import Overloaded


class Traffic:
    """All that this process relays at the moment."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.is_draining = False
        """Whether the server is to stop, so that nothing new may begin."""
        self._process_id = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def enter(self) -> str:
        """Count one more, and give it the id that logs know it by."""
        self.in_flight += 1
        return f"{self._process_id}-{next(self._numbers):x}"

    def check_room(self, max_concurrency: int) -> None:
        """Raise Overloaded unless the one that was entered last may go on."""
        if self.is_draining:
            raise Overloaded("The proxy is shutting down; try again.")
        if self.in_flight > max_concurrency:
            raise Overloaded("Too many requests are under way; try again.")

    def leave(self) -> None:
        """Count one less."""
        self.in_flight -= 1
