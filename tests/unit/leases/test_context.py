"""A machine is opened in one place, and only those learn from earlier runs who are meant to."""

from builders import simulated_card

from nvinx.bench.resolve import Bench
from nvinx.catalog import Residency
from nvinx.history.runs import PastRun
from nvinx.history.store import SqliteHistory
from nvinx.leases.context import open_context

BENCH = Bench(cards=(simulated_card(),), cores=2, ram_mib=8000, models={}, origins={})
RUN = PastRun(name="a", kind="a", profile="a", residency=Residency.CPU_ONLY, ran_s=3.0)


def test_whoever_does_not_learn_knows_nothing_of_earlier_runs(tmp_path):
    SqliteHistory(tmp_path / "history.db").add([RUN], "/w/Snakefile")
    taught = open_context(BENCH, tmp_path)
    untaught = open_context(BENCH, tmp_path, learns=False)
    assert taught.past.statistics.cpu_s("a") == 3.0
    assert untaught.past.statistics.cpu_s("a") is None
    taught.close()
    untaught.close()


def test_two_programs_have_two_names(tmp_path):
    one, two = open_context(BENCH, tmp_path), open_context(BENCH, tmp_path)
    assert one.engine != two.engine
    one.close()
    two.close()
