"""What tokens cost, by the model's name."""

from decimal import Decimal
from fnmatch import fnmatchcase

from attrs import frozen


@frozen
class Prices:
    """What a model costs, in US dollars for a million tokens."""

    input: Decimal
    output: Decimal
    cached_input: Decimal
    """Input that comes from the provider's cache."""
    cache_write: Decimal
    """Input that goes into it."""


@frozen
class PriceList:
    """Prices by pattern of the model's name, such as `gpt-4o*`, in any case; the first that fits."""

    entries: tuple[tuple[str, Prices], ...] = ()

    def prices_of(self, model: str) -> Prices | None:
        """What `model` costs, if the list says so."""
        name = model.lower()
        for pattern, prices in self.entries:
            if fnmatchcase(name, pattern.lower()):
                return prices
        return None
