"""The example dashboard asks for nothing that the metrics page does not tell."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.log_entries import a_compression, a_request

from openai_proxy.adapters.metrics.counts import Metrics, OwnCounts
from openai_proxy.adapters.metrics.prometheus import PrometheusPage
from openai_proxy.domain.bodies.usage import Usage
from openai_proxy.domain.savings.prices import PriceList, Prices
from openai_proxy.domain.savings.sums import Savings

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"
PRICES = PriceList((("*", Prices(*[Decimal(1)] * 4)),))


def families() -> list[Metric]:
    """Everything the page tells once each thing has happened."""
    metrics = Metrics(Savings())
    metrics.record_request(
        a_request(
            error="upstream_timeout",
            first_byte_seconds=0.1,
            compression_seconds=0.1,
            usage=Usage("gpt-4o", 5),
        )
    )
    metrics.record_compression("1", a_compression(skipped="no_text"))
    counts = OwnCounts(metrics, in_flight=lambda: 0, dropped=lambda: 0)
    page = PrometheusPage(counts, PRICES)
    return list(text_string_to_metric_families(page.render().decode()))


def panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return panels


def queries() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel.get("targets", []))


def test_every_metric_that_it_asks_for_exists() -> None:
    asked = {
        name for query in queries() for name in re.findall(r"(?:openai_proxy|process)_\w+", query)
    }

    told = {sample.name for family in families() for sample in family.samples}
    assert asked - told == set()


def test_every_label_that_it_groups_by_exists() -> None:
    grouped = [group for query in queries() for group in re.findall(r"by \(([\w, ]+)\)", query)]

    labels = {name for family in families() for sample in family.samples for name in sample.labels}
    # Prometheus itself adds the instance.
    assert {name for group in grouped for name in group.split(", ")} <= labels | {"instance"}


def test_every_metric_of_the_proxys_own_is_on_it() -> None:
    asked = " ".join(queries())

    own = [family.name for family in families() if family.name.startswith("openai_proxy_")]
    assert [name for name in own if name not in asked] == []


def test_its_panels_neither_overlap_nor_share_an_id() -> None:
    squares = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels()
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]

    assert len(set(squares)) == len(squares)
    assert len({panel["id"] for panel in panels()}) == len(panels())
