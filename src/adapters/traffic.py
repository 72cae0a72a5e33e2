"""What is under way: requests and WebSockets alike, counted together, each under a name."""

import itertools
import secrets


class Traffic:
    """All that this process relays at the moment."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._process_id = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def enter(self) -> str:
        """Count one more, and give it the id that logs know it by."""
        self.in_flight += 1
        return f"{self._process_id}-{next(self._numbers):x}"

    def leave(self) -> None:
        """Count one less."""
        self.in_flight -= 1
