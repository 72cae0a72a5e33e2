"""Reports on the terminal."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ...domain.evaluation.report import Report, Row
from ...domain.evaluation.similarity import Similarity
from ...domain.evaluation.survival import KINDS

# Broken where they must be for a table to fit into 80 columns.
_HEADINGS: Final = {
    "numbers": "num-\nbers",
    "names": "names",
    "negations": "nega-\ntions",
    "identifiers": "identi-\nfiers",
    "content_words": "content\nwords",
}


def survival_table(report: Report) -> Table:
    """What survives of what there was, a row a trial."""
    return _table(
        report, ["billed", *map(_HEADINGS.__getitem__, KINDS), "worst\nquarter"], _survival
    )


def cost_table(report: Report) -> Table:
    """What the prompts cost, and how near they stay to what they were, a row a trial."""
    similarity = ["cosine", "finds\nitself"] if report.embedder else []
    columns = ["tokens", "cost", "with\ncache", "cache\nkept", *similarity]
    return _table(report, columns, lambda row: _costs(row, report))


def _table(report: Report, columns: Sequence[str], cells: Callable[[Row], Sequence[str]]) -> Table:
    table = right_aligned_table("method", "keep", *columns)
    before = report.original
    for row in report.rows:
        if row.keep_ratio != before.keep_ratio:
            table.add_section()
        table.add_row(row.method, f"{float(row.keep_ratio):g}", *cells(row))
        before = row
    return table


def _survival(row: Row) -> Sequence[str]:
    shares = [survival.share for survival in row.tally.survival.values()]
    return [*map(percent, [row.tally.billed_share, *shares, row.tally.worst_quarter])]


def _costs(row: Row, report: Report) -> Sequence[str]:
    sent, near = row.tally.replay, row.similarity
    return [
        f"{row.tally.tokens_billed:,}",
        _money(sent.cost_without_cache(report.prices)),
        _money(sent.cost_with_cache(report.prices)),
        percent(report.cached_tokens_kept(row)),
        *(_similarity(near) if near else []),
    ]


def _similarity(near: Similarity) -> Sequence[str]:
    band = f"{near.cosine:.2f} ± {near.high - near.cosine:.2f}"
    return [band, percent(near.finds_itself)]


def right_aligned_table(first: str, *others: str) -> Table:
    """A table whose first column holds names, and whose others hold numbers."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, no_wrap=True)
    for column in others:
        table.add_column(column, justify="right")
    return table


def percent(share: float | None) -> str:
    """A share as it is printed; a dash if there was nothing to have a share of."""
    return "-" if share is None else f"{share:.0%}"


def _money(amount: Decimal) -> str:
    """An amount to four significant digits."""
    return f"{amount:.4g}"
