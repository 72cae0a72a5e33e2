"""A report as JSON: every count, and shares to six digits. The same report gives the same bytes."""

import json
from typing import Any, Final

from attrs import asdict

from .report import Report, Row

_DIGITS: Final = 6
FORMAT: Final = 1
"""Rises when the meaning of a member changes."""


def report_as_json(report: Report) -> str:
    """The report as a text of its own, a row a trial."""
    document = {
        "format": FORMAT,
        "encoding": report.encoding,
        "prices_per_million": {
            "input": str(report.prices.input),
            "cached_input": str(report.prices.cached_input),
        },
        "embeddings": {"model": report.embedder, "texts": report.embedded_texts},
        "rows": [_row(row, report) for row in report.rows],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _row(row: Row, report: Report) -> dict[str, Any]:
    tally, sent = row.tally, row.tally.replay
    return {
        "method": row.method,
        "keep_ratio": str(row.keep_ratio),
        "texts": tally.texts,
        "texts_untouched": tally.untouched,
        "tokens_before": tally.tokens_before,
        "tokens_kept": tally.tokens_kept,
        "tokens_billed": tally.tokens_billed,
        "kept_share": _rounded(tally.kept_share),
        "billed_share": _rounded(tally.billed_share),
        "survival": {
            kind: {**asdict(survival), "share": _rounded(survival.share)}
            for kind, survival in tally.survival.items()
        },
        "content_words_in_worst_quarter": _rounded(tally.worst_quarter),
        "replay": {
            **asdict(sent),
            "cost_without_cache": _rounded(sent.cost_without_cache(report.prices)),
            "cost_with_cache": _rounded(sent.cost_with_cache(report.prices)),
            "cached_tokens_kept": _rounded(report.cached_tokens_kept(row)),
        },
        "similarity": _similarity(row),
    }


def _similarity(row: Row) -> dict[str, float | None] | None:
    if row.similarity is None:
        return None
    return {name: _rounded(value) for name, value in asdict(row.similarity).items()}


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), _DIGITS)
