"""`nvinx plan`: what a workflow or a workload would do on this bench, before it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nvinx.cli import options, snakemake

if TYPE_CHECKING:
    from nvinx.admission.estimates import Estimates
    from nvinx.bench.capacity import Capacity
    from nvinx.bench.resolve import Bench
    from nvinx.history.runs import PastRun
    from nvinx.history.statistics import RunStatistics
    from nvinx.interference.belief import Belief
    from nvinx.simulation.advice import Advice
    from nvinx.simulation.simulate import Simulation
    from nvinx.simulation.workload import Workload

_WORKLOADS = {".yaml", ".yml", ".json"}


@click.command(name="plan", context_settings={"ignore_unknown_options": True})
@click.argument("words", metavar="[SOURCE] [SNAKEMAKE_ARGS]...", nargs=-1, type=click.UNPROCESSED)
@options.bench
@options.state_dir
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the lanes to this picture.")
@click.option(
    "--workload",
    "save_as",
    type=click.Path(path_type=Path),
    help="Also write the jobs to this file, for `nvinx simulate`.",
)
def command(
    *,
    words: tuple[str, ...],
    file: Path | None,
    state_dir: Path | None,
    as_json: bool,
    picture: Path | None,
    save_as: Path | None,
) -> None:
    """Show which job of SOURCE would run where and when, and what would help most.

    SOURCE is a Snakefile, or a workload file (.yaml, .json). SNAKEMAKE_ARGS go to Snakemake:
    targets, --config, --directory, and so on. Nothing is run. Times are those of earlier runs, else
    those that rules declare (`runtime`), else a minute.
    """
    from nvinx.bench import machine
    from nvinx.cli import simulation_output as shown
    from nvinx.host import statedir
    from nvinx.simulation import workload_file

    if picture is not None:
        shown.demand_picture()
    source, snakemake_args = snakemake.split(words)
    bench = machine.bench(file, source.absolute().parent)
    options.tell_doubts(bench)
    state = statedir.choose(state_dir, os.environ)
    if source.suffix in _WORKLOADS:
        text = _read(source)
    else:
        options.progress("asking Snakemake for the jobs ...")
        text = _text_of_workflow(source, snakemake_args, file, state)
    options.progress("simulating the jobs ...")
    if save_as is not None:
        save_as.write_text(text, encoding="utf-8")
    work = workload_file.parse(text, str(source))
    if not work.tasks:
        click.echo("There is nothing to do.")
        return
    planned = _Plan(work, bench, *_past(state, bench))
    if as_json:
        import json

        click.echo(json.dumps(planned.plain(), indent=2))
    else:
        planned.show(is_workload=source.suffix in _WORKLOADS)
    if picture is not None:
        shown.draw(planned.played, bench, picture)


class _Plan:
    """A workload played once as nvinx would run it, and once with one GPU job at a time."""

    def __init__(
        self, work: Workload, bench: Bench, runs: tuple[PastRun, ...], belief: Belief | None
    ) -> None:
        from nvinx.cli import simulation_output as shown

        self._work, self._bench, self._runs, self._belief = work, bench, runs, belief
        self._capacity = bench.capacity
        self.played = self._play(work, self._capacity, "nvinx", looks_ahead=True)
        self._serial_s = self._play(work, self._capacity, "serial").makespan_s
        self._least_s = shown.lower_bound_s(work, self._capacity, self._beliefs()[0])

    def _beliefs(self) -> tuple[Estimates, RunStatistics]:
        from nvinx.admission.estimates import Estimates
        from nvinx.history.sharing import Settled
        from nvinx.history.statistics import RunStatistics

        statistics = RunStatistics(self._runs, sharing=Settled())
        statistics.believe(self._belief)
        return Estimates(self._bench.slowdowns, self._bench.utilisation, statistics), statistics

    def _play(
        self, work: Workload, capacity: Capacity, policy: str, *, looks_ahead: bool = False
    ) -> Simulation:
        """Play as a real run would go, which learns as it goes."""
        from nvinx.simulation import baselines, simulate

        estimates, statistics = self._beliefs()
        told = baselines.POLICIES[policy](estimates)
        planner = simulate.planner_for(work, estimates) if looks_ahead else None
        return simulate.simulate(work, capacity, told, estimates, statistics, planner)

    def plain(self) -> dict[str, object]:
        from dataclasses import asdict

        from nvinx.cli import simulation_output as shown

        return {
            **shown.plain(self.played, self._least_s),
            "one_gpu_job_at_a_time_s": self._serial_s,
            "advice": [asdict(advice) for advice in self._advice()],
        }

    def show(self, *, is_workload: bool) -> None:
        """is_workload: the jobs are of a workload file, which says how long each takes."""
        from nvinx.cli import simulation_output as shown
        from nvinx.formatting import duration, few_names

        shown.show(self.played, self._least_s, self._bench, whole=False)
        click.echo(f"One GPU job at a time would take {duration(self._serial_s)}.")
        if not is_workload and (guessed := self._rules_without_time()):
            click.echo(
                f"No run time is known for {few_names(sorted(guessed))}, so each of their jobs "
                "counts as a minute. Fix: declare runtime (in minutes), or run them once."
            )
        advice = self._advice()
        if advice:
            click.echo("What would help most:")
        for each in advice:
            click.echo(f"  {duration(each.saves_s)} less ({each.share:.0%}): {each.change}")

    def _rules_without_time(self) -> set[str]:
        """Rules with a job whose time neither the rule says nor any earlier run."""
        _, statistics = self._beliefs()
        return {
            task.name.partition("[")[0]
            for task in self._work.tasks.values()
            if not task.runtime_s
            and statistics.gpu_s(task.kind or "") is None
            and statistics.cpu_s(task.kind or "") is None
        }

    def _advice(self) -> list[Advice]:
        from nvinx.simulation import advice

        if len(self._work.tasks) > advice.MOST_TASKS:
            return []
        return advice.advise(
            self._work, self._capacity, lambda w, c: self._play(w, c, "nvinx").makespan_s
        )


def _read(path: Path) -> str:
    from nvinx.errors import BenchError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(str(path), None, f"cannot be read ({error})", "check the path") from error


def _text_of_workflow(
    snakefile: Path, arguments: tuple[str, ...], bench: Path | None, state: Path
) -> str:
    """The jobs of a workflow as a workload, from Snakemake with our executor; it runs none."""
    options = ["--nvinx-state-dir", str(state)]
    options += [] if bench is None else ["--nvinx-bench", str(bench)]
    return snakemake.written_by(snakefile, "nvinx", "--nvinx-workload", [*options, *arguments])


def _past(state: Path, bench: Bench) -> tuple[tuple[PastRun, ...], Belief | None]:
    """Earlier runs, and what they teach; where the history cannot be used, that is told."""
    from nvinx.history.past import Past

    past = Past.read(state, [card.name for card in bench.cards], bench.slowdowns)
    runs = past.runs()
    past.learn()
    if past.problem is not None:
        click.echo(f"nvinx: {past.problem}", err=True)
    return runs, past.statistics.belief
