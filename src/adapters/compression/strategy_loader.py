"""Loading a strategy of the operator's own, named as package.module:name."""

from importlib import import_module
from typing import Any

from ...domain.compression.strategies import BUILT_IN, Strategy


class StrategyNotLoaded(ValueError):
    """A strategy that is neither built in nor can be loaded; the message says why."""


def load_strategy(name: str) -> Strategy:
    """The built-in strategy of that name, or the object that a dotted path names.

    The object may be a strategy or a class that makes one without arguments.
    Raises StrategyNotLoaded.

    >>> load_strategy("words").name
    'words'
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise StrategyNotLoaded(
            f"{name!r} is neither one of {', '.join(BUILT_IN)} nor a path like package.module:name"
        )
    return _strategy_from(name, _imported(name, module, attribute))


def _imported(name: str, module: str, attribute: str) -> Any:
    try:
        return getattr(import_module(module), attribute)
    except AttributeError as error:
        raise StrategyNotLoaded(f"{name!r}: {module} has no {attribute}") from error
    except Exception as error:  # An operator's module may fail in any way while it is imported.
        raise StrategyNotLoaded(f"{name!r}: {module} cannot be imported: {error}") from error


def _strategy_from(name: str, found: Any) -> Strategy:
    try:
        strategy = found() if isinstance(found, type) else found
    except Exception as error:  # As above: it is the operator's code.
        raise StrategyNotLoaded(f"{name!r}: cannot be made: {error}") from error
    missing = [member for member in ("name", "starts", "order") if not hasattr(strategy, member)]
    if missing:
        raise StrategyNotLoaded(f"{name!r} is no strategy: it has no {', no '.join(missing)}")
    return strategy  # type: ignore[no-any-return]  # Checked for its members above.
