"""Whether requests are traced: if the OTEL_ variables ask for it and the extra is there."""

import logging
import os
from collections.abc import Mapping

from ..adapters.metrics.request_spans import NoSpans, RequestSpans

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

_log = logging.getLogger(__name__)


def load_spans() -> RequestSpans:
    """The spans that the environment asks for.

    OpenTelemetry's SDK reads its variables from the environment itself, hence
    they are no settings of the proxy's.
    """
    if not wants_traces(os.environ):
        return NoSpans()
    try:
        # Only those who trace need the SDK.
        from ..adapters.metrics.otel_spans import OpenTelemetrySpans, exporting_provider  # noqa: PLC0415
    except ModuleNotFoundError:
        _log.warning("OTEL_ variables ask for traces: pip install '.[otel]'")
        return NoSpans()
    return OpenTelemetrySpans(exporting_provider())


def wants_traces(environment: Mapping[str, str]) -> bool:
    """Whether spans are to be exported: only to a collector that is named, over OTLP."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter:
        return exporter == "otlp"
    return any(environment.get(name) for name in _ENDPOINTS)
