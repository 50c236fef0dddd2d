"""Alert rules for Prometheus and a dashboard for Grafana, made from the list of metrics."""

from __future__ import annotations

from typing import Any

from nvinx.metrics.gauges import METRICS

_COLUMNS, _WIDTH, _HEIGHT = 3, 8, 7

# Name, expression in ratios of the card's size, for how long, severity, and what it means.
_RULES = (
    (
        "NvinxCardLost",
        "nvinx_card_lost == 1",
        "1m",
        "critical",
        "GPU {{ $labels.gpu }} is gone: check nvidia-smi, reset it or reboot.",
    ),
    (
        "NvinxCardUsedByOthers",
        "nvinx_card_foreign_bytes / nvinx_card_vram_bytes > 0.5",
        "15m",
        "warning",
        "Programs outside nvinx use more than half of GPU {{ $labels.gpu }}.",
    ),
    (
        "NvinxUsedMoreThanLeased",
        "nvinx_card_used_bytes - nvinx_card_foreign_bytes"
        " > 1.2 * nvinx_card_leased_bytes + 0.05 * nvinx_card_vram_bytes",
        "10m",
        "warning",
        "Jobs on GPU {{ $labels.gpu }} use more than they declared: see nvinx history.",
    ),
    (
        "NvinxCardIdleWhileJobsWait",
        "nvinx_waiting_jobs > 0 and on() (sum(nvinx_card_jobs) == 0)",
        "10m",
        "warning",
        "Jobs wait and no card is in use: see nvinx status for their reasons.",
    ),
    (
        "NvinxLongWait",
        "nvinx_oldest_wait_seconds > 6 * 3600",
        "5m",
        "info",
        "A job has waited for a card for more than six hours.",
    ),
    (
        "NvinxLowRam",
        "nvinx_ram_left_bytes < 0.1 * nvinx_spilled_ram_bytes",
        "5m",
        "warning",
        "Little RAM is left for models that spill into it.",
    ),
)


def rules() -> dict[str, Any]:
    """A Prometheus rule file, as plain data."""
    listed = [
        {
            "alert": name,
            "expr": expression,
            "for": wait,
            "labels": {"severity": severity},
            "annotations": {"summary": summary},
        }
        for name, expression, wait, severity, summary in _RULES
    ]
    return {"groups": [{"name": "nvinx", "rules": listed}]}


def dashboard() -> dict[str, Any]:
    """A Grafana dashboard with one panel for each metric."""
    shown = [metric for metric in METRICS if metric.name != "nvinx_info"]
    panels = []
    for number, metric in enumerate(shown):
        row, column = divmod(number, _COLUMNS)
        legend = " ".join(f"{{{{{label}}}}}" for label in metric.labels)
        panels.append(
            {
                "id": number + 1,
                "type": "timeseries",
                "title": metric.help.rstrip("."),
                "datasource": {"type": "prometheus", "uid": "${datasource}"},
                "targets": [{"expr": metric.name, "legendFormat": legend or "__auto"}],
                "fieldConfig": {"defaults": {"unit": metric.unit, "min": 0}, "overrides": []},
                "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
            }
        )
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"}
    return {
        "title": "nvinx",
        "uid": "nvinx",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source]},
        "panels": panels,
    }
