"""What compression saved or lost since the start, as `/_proxy/stats` tells it in JSON."""

from decimal import Decimal
from typing import Any

from attrs import asdict

from ...domain.savings.prices import PriceList
from ...domain.savings.sums import Account, Bill, Cost, Estimate, Money, verdict
from .counts import Counts, Endpoint, status_label

_NO_PRICES = "Nothing is said in money: no prices are set (PRICES_FILE)."


def stats(counts: Counts, prices: PriceList | None) -> dict[str, Any]:
    """The page; `billed` is what answers said, `estimated` the proxy's own counts."""
    metrics = counts.metrics
    models = metrics.savings.models
    money = None if prices is None else metrics.savings.money(prices)
    return {
        "since": metrics.since,
        "requests": {
            "ended": metrics.requests,
            "in_flight": counts.in_flight,
            "by_endpoint": {
                name: _statuses(endpoint) for name, endpoint in metrics.endpoints.items()
            },
        },
        "estimated": _estimate(metrics.savings.estimate),
        "billed": _billed(metrics.savings.billed),
        "models": {model: _account(account) for model, account in models.items()},
        "money": None if money is None else _money(money),
        "verdict": _NO_PRICES if money is None else verdict(money),
    }


def _statuses(endpoint: Endpoint) -> dict[str, int]:
    return {status_label(status): count for status, count in endpoint.statuses.items()}


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        **asdict(estimate),
        "tokens_saved": estimate.tokens_before - estimate.tokens_after,
    }


def _account(account: Account) -> dict[str, Any]:
    return {
        "answers": account.answers,
        "billed": _billed(account.billed),
        "without_compression": _billed(account.without_compression),
    }


def _billed(bill: Bill) -> dict[str, int]:
    return {f"{kind}_tokens": count for kind, count in asdict(bill).items()}


def _money(money: Money) -> dict[str, Any]:
    return {
        "currency": "USD",
        "billed": _cost(money.billed),
        "without_compression": _cost(money.without_compression),
        "saved": _cost(money.saved),
        "priced_answers": money.priced_answers,
        "unpriced_models": list(money.unpriced_models),
    }


def _cost(cost: Cost) -> dict[str, float]:
    parts: dict[str, Decimal] = {**asdict(cost), "total": cost.total}
    return {kind: round(float(amount), 6) for kind, amount in parts.items()}
