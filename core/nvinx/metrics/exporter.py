"""The metrics of this machine as Prometheus asks for them, over HTTP or in a file."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from nvinx.errors import ExportError, HistoryError
from nvinx.gpu.meter import NvmlMeter
from nvinx.history.store import SqliteHistory
from nvinx.host import resources
from nvinx.jobs.outcome import Outcome
from nvinx.leases import snapshot
from nvinx.metrics.gauges import METRICS, Facts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from nvinx.bench.resolve import Bench

_DISTRIBUTION = "snakemake-executor-plugin-nvinx"


class Exporter:
    """A prometheus_client collector: looks at the machine each time it is asked."""

    def __init__(self, bench: Bench, state_dir: Path) -> None:
        self._bench, self._state = bench, state_dir

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        facts = self.facts()
        for metric in METRICS:
            family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, value in metric.values(facts):
                family.add_metric(labels, value)
            yield family

    def facts(self) -> Facts:
        import psutil

        return Facts(
            snapshot=snapshot.take(self._bench, self._state),
            readings={card.id: _read(card.id) for card in self._bench.cards if not card.simulated},
            ram_left_mib=resources.ram_left_mib(),
            cpu=psutil.cpu_percent() / 100,
            runs=self._runs(),
            version=importlib.metadata.version(_DISTRIBUTION),
        )

    def _runs(self) -> dict[str, int]:
        counts: Counter[str] = Counter({outcome.value: 0 for outcome in Outcome})
        with suppress(HistoryError):  # shown as none
            entries = SqliteHistory(self._state / "history.db").entries()
            counts.update(entry.run.outcome.value for entry in entries)
        return dict(counts)


def serve(exporter: Exporter, host: str, port: int) -> int:
    """Answer on this address from now on, in a thread; the port in use. Raises ExportError."""
    from prometheus_client import start_http_server

    try:
        server, _thread = start_http_server(port, addr=host, registry=_registry(exporter))
    except OSError as error:
        fix = "name another address with --listen, or end what listens there"
        raise ExportError(f"{host}:{port}", error.strerror or str(error), fix) from error
    return int(server.server_port)


def write(exporter: Exporter, path: Path) -> None:
    """One look, as a file for node_exporter's textfile collector; replaced whole.

    Raises ExportError.
    """
    from prometheus_client import write_to_textfile

    try:
        write_to_textfile(str(path), _registry(exporter))
    except OSError as error:
        fix = "name a folder that you may write to"
        raise ExportError(str(path), error.strerror or str(error), fix) from error


def text(exporter: Exporter) -> str:
    """One look, as text."""
    from prometheus_client import generate_latest

    return str(generate_latest(_registry(exporter)).decode())


def _registry(exporter: Exporter) -> Any:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(exporter)
    return registry


def _read(card_id: str) -> Any:
    with NvmlMeter(card_id) as meter:
        return meter.read()
