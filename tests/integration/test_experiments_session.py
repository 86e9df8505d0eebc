"""The experiments' sessions and the rows that they write, with a cluster that is made up: what is measured again,
what is kept, what is told.
"""
import dataclasses
import math
import pathlib
import sys

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO / "geni" / folder) for folder in ("experiments", "lab", ".")]
import figures  # noqa: E402
import local_backend  # noqa: E402
import measuring  # noqa: E402
import plan  # noqa: E402
import presence  # noqa: E402
import rows  # noqa: E402
import session  # noqa: E402
from browser import Outcome, RunFailed  # noqa: E402

LOG = """2026-01-01T00:00:01.000Z info imgrec-manager manager_ready http=x
2026-01-01T00:00:02.000Z info imgrec-manager worker_joined worker=2 name=worker-2
"""


# ---- a session -------------------------------------------------------------------------------------

class FakeBackend:
    """Measures a second a run; fails, lacks and loses what it is told to."""

    def __init__(self, trouble=(), lacking=(), losing=()):
        self.trouble, self.lacking, self.losing = list(trouble), lacking, losing
        self.prepared = []

    def unable(self, setting):
        return "no links here" if setting.experiment in self.lacking else None

    def ready(self, setting):
        self.prepared.append(setting.name)

    def give_up_cluster(self):
        self.prepared.append("given up")


@pytest.fixture
def run_session(tmp_path, monkeypatch):
    """Runs a session in one folder; (exit code, what it said, measured runs)."""
    measured = []

    def measure(backend, run, *_):
        if run.identity in backend.trouble:
            backend.trouble.remove(run.identity)
            raise RunFailed("two of five results came in time")
        measured.append(run.identity)
        good = {"accepted": 5, "done": 5, "failed": 0, "open": 0, "doubled": 0, "label_mismatches": 0,
                "restarts": 0, "failure_probability": 0, "total_s": 2.0, "bound_s": 1.0, "throughput_mbit": 3.0}
        row = {**good, "experiment": run.setting.experiment, "setting": run.setting.key,
                "images": run.images, "repeat": run.repeat, **backend_figures}
        if run.identity in backend.losing:
            times = dict.fromkeys(("total_s", "bound_s", "throughput_mbit"))
            return {**row, **times, "done": 4, "open": 1}, "4 of 5 results came within 90 s"
        return row, ""

    backend_figures = {}
    monkeypatch.setattr(measuring, "measure", measure)
    monkeypatch.setattr(measuring, "calibrate", lambda *_: measuring.Calibration({}, 20.0, "digest", {}))
    monkeypatch.setattr(measuring, "warm_up", lambda *_: None)
    monkeypatch.setattr(measuring, "model_digest", lambda _: "digest")

    def run(backend, the_plan, **figures):
        backend_figures.clear()
        backend_figures.update(figures)
        measured.clear()
        said = []
        code = session.Session(backend, the_plan, None, tmp_path, 1, {"kernel": "k"}, said.append).run()
        return code, "\n".join(said), list(measured)

    return run


SMALL = plan.make_plan(["delay"], [plan.Series(5, 2)], chosen=["500"])


def test_a_session_measures_everything_once_and_goes_on_where_it_ended(run_session, tmp_path):
    code, said, measured = run_session(FakeBackend(), SMALL)
    assert code == 0 and measured == [run.identity for run in SMALL.runs]
    assert "delay 500" in said and "1.000" in said
    more = dataclasses.replace(SMALL, series=(plan.Series(5, 3),))
    code, said, measured = run_session(FakeBackend(), more)
    assert code == 0 and measured == [("workers", "3", 5, 3), ("delay", "500", 5, 3)]
    assert "4 runs are there already, 2 are left" in said
    assert len(rows.Table(tmp_path / "runs.csv").rows) == 6


def test_what_failed_once_is_tried_again_and_written_down(run_session, tmp_path):
    backend = FakeBackend(trouble=[("workers", "3", 5, 2)])
    code, _, measured = run_session(backend, SMALL)
    assert code == 0 and len(measured) == 4
    assert backend.prepared[2:5] == ["workers 3", "given up", "workers 3"]
    failures = rows.Table(tmp_path / "failed_runs.csv", rows.FAILED_COLUMNS).rows
    assert [(f["setting"], f["repeat"], f["attempt"], f["kind"]) for f in failures] == [("3", "2", "1", "trouble")]
    assert "two of five" in failures[0]["error"]


def test_a_run_that_lost_a_photo_is_not_measured_again_and_not_forgotten(run_session, tmp_path):
    backend = FakeBackend(losing=[("delay", "500", 5, 1)])
    code, said, measured = run_session(backend, SMALL)
    assert code == 1 and len(measured) == 4 and backend.prepared.count("delay 500") == 2
    assert "given up" in backend.prepared, "what is open would be the next run's"
    lost = rows.Table(tmp_path / "runs.csv").rows[1]
    assert (lost["total_s"], lost["accepted"], lost["done"], lost["open"]) == ("", "5", "4", "1")
    failures = rows.Table(tmp_path / "failed_runs.csv", rows.FAILED_COLUMNS).rows
    assert [(f["setting"], f["attempt"], f["kind"]) for f in failures] == [("500", "1", "violation")]
    assert failures[0]["error"] == "4 of 5 results came within 90 s" and rows.FAILED_COLUMNS[-1] == "kind"
    assert "delay 500, repeat 1: it has no times" in said and "4 recognised, 0 failed, 1 are open" in said
    code, said, measured = run_session(FakeBackend(), SMALL)  # resumed
    assert code == 1 and not measured and "delay 500, repeat 1: it has no times" in said


def test_a_bound_without_an_end_is_no_bound(run_session):
    """Of a run whose workers were not there long enough, by their speed."""
    _, said, _ = run_session(FakeBackend(), SMALL, bound_s=math.inf)
    assert "inf" not in said and "nan" not in said and said.splitlines()[-1].split()[-1] == "1.000", said
    rows_ = [{"total_s": "3", "bound_s": "2"}, {"total_s": "9", "bound_s": "inf"}]
    assert session._of_bound(rows_) == "1.50"


def test_what_failed_twice_is_told_by_name_and_the_rest_is_measured(run_session):
    code, said, measured = run_session(FakeBackend(trouble=[("workers", "3", 5, 1)] * 2), SMALL)
    assert code == 1 and len(measured) == 3
    assert "workers 3, repeat 1, of 5 photos could not be measured" in said


def test_what_cannot_be_measured_here_is_left_out_by_name(run_session):
    code, said, measured = run_session(FakeBackend(lacking=["delay"]), SMALL)
    assert code == 1 and {identity[0] for identity in measured} == {"workers"}
    assert "delay 500 is left out: no links here" in said


@pytest.mark.parametrize("figures, said", [
    ({"done": 4, "failed": 1}, "4 recognised, 1 failed"), ({"doubled": 1}, "shown twice"),
    ({"label_mismatches": 2}, "2 labels"), ({"restarts": 1}, "ended 1 times")])
def test_a_run_with_a_fault_is_kept_and_complained_of(run_session, figures, said):
    code, words, measured = run_session(FakeBackend(), SMALL, **figures)
    assert code == 1 and len(measured) == 4 and said in words


def test_rows_of_another_model_are_not_added_to(run_session, tmp_path, monkeypatch):
    run_session(FakeBackend(), SMALL)
    monkeypatch.setattr(measuring, "model_digest", lambda _: "another")
    with pytest.raises(RuntimeError, match="another model"):
        run_session(FakeBackend(), dataclasses.replace(SMALL, series=(plan.Series(5, 3),)))


# ---- a run's row -----------------------------------------------------------------------------------

def image(label, state="done"):
    return {"state": state, "top": [{"index": label}] if state == "done" else [],
            "timing_ms": {"decode": 10, "inference": 40}}


def test_labels_are_compared_by_photo_and_every_column_has_a_place():
    files = [("a", b"x" * 1000), ("b", b"y" * 3000)]
    outcome = Outcome(presence.seconds_of("2026-01-01T00:00:03.000"), 0.5, 2.0, {"1": 0, "2": 1, "3": 0},
                      {"1": image(4), "2": image(9), "3": image(0, "failed")}, 0)
    assert measuring._mismatches(outcome, files, {"a": 4, "b": 9}) == 1
    assert measuring._mismatches(outcome, files, {"a": 4, "b": 8}) == 2
    assert measuring._mismatches(outcome, files, {"a": None, "b": 9}) == 2, "a photo that failed both times is no match"
    assert measuring._compute_s(outcome) == pytest.approx(0.15)


class FakePhotos:
    files = [("a", b"x" * 1000), ("b", b"y" * 3000)]

    def __len__(self):
        return len(self.files)

    def chosen(self, numbers):
        return [self.files[number] for number in numbers]


class FakeCluster:
    """A backend of one worker, its browser and its manager's figures, for one run of two photos."""

    link = local_backend.LinkFacts(0, 0)
    head_start_s = 0.0

    def __init__(self, **changes):
        self.reach = self.figures = self
        ledger = {"accepted": 2, "done": 2, "failed": 0, "open": 0, **changes.pop("ledger", {})}
        self.counts = [dict.fromkeys(ledger, 0), ledger]
        self.wire = [1000, changes.pop("wire_after", 5000)]
        self.log = changes.pop("log", LOG)
        begin = presence.seconds_of("2026-01-01T00:00:03.000")
        self.outcome = dataclasses.replace(
            Outcome(begin, 0.5, 2.0, {"1": 0, "2": 1}, {"1": image(0), "2": image(0)}, 0), **changes)

    def metrics(self):
        names = {"accepted": "accepted_total", "done": "done_total", "failed": "failed_total", "open": "open"}
        wire = self.wire.pop(0)
        return {**{f"imgrec_images_{names[name]}": n for name, n in self.counts.pop(0).items()},
                'imgrec_worker_wire_bytes_total{direction="out"}': wire, "imgrec_worker_retransmissions_total": wire}

    def recognise(self, *_):
        return self.outcome

    def begin_run(self):
        pass

    def end_run(self):
        return {"restarts": 0}

    def cluster(self):
        return {"workers": [{"tcp_rtt_ms": 2.0}]}

    def manager_log(self):
        return self.log

    def worker_names(self):
        return ["worker-2"]


def measure(setting="1", experiment="workers", **changes):
    run = plan.Run(plan.parse_setting(experiment, setting), 2, 1)
    calibration = measuring.Calibration({"a": 0, "b": 0}, 20.0, "digest", {"a": 0.04, "b": 0.06})
    return measuring.measure(FakeCluster(**changes), run, FakePhotos(), calibration, 1, 90)


def test_a_runs_row_has_its_own_photos_bound():
    row, violation = measure()
    assert not violation and not set(row) - set(rows.COLUMNS)
    assert (row["total_s"], row["worker_up_s"], row["wire_bits_out"]) == (2.0, 2.0, 32_000)
    assert row["bound_s"] == pytest.approx(0.1)


TIMES = {"total_s", "throughput_mbit", "images_per_s", "worker_up_s", "bound_s"}


def test_a_lost_result_is_a_row_with_what_was_counted_and_no_times():
    row, violation = measure(first_s=None, total_s=None, shown={"1": image(0)}, fault="1 of 2 results came within 90 s",
                             ledger={"done": 1, "open": 1})
    assert violation == "1 of 2 results came within 90 s" and not TIMES & set(row)
    assert (row["accepted"], row["done"], row["open"], row["label_mismatches"]) == (2, 1, 1, 0)


def test_a_result_of_no_photo_is_a_violation_too():
    row, violation = measure(first_s=None, total_s=None, shown={"1": image(0), "9": image(0)},
                             fault="1 results are of no photo that was sent")
    assert violation and row["label_mismatches"] == 0


def test_a_ledger_that_does_not_balance_is_a_row_without_times():
    row, violation = measure(ledger={"done": 1})
    assert "does not balance" in violation and not TIMES & set(row) and row["done"] == 1


def test_a_log_that_names_no_worker_is_no_reason_to_think_that_none_was_there():
    with pytest.raises(RunFailed, match="does not say that worker-2 was there.*--log-level"):
        measure(log="")


def test_counters_that_began_anew_are_not_known():
    row, _ = measure(wire_after=10)
    assert row["wire_bits_out"] is None and row["retransmissions"] is None
    assert figures.grown(3, 5) == 2 and figures.grown(5, 3) is figures.grown(None, 3) is None
    with pytest.raises(RunFailed, match="it began anew"):
        measure(ledger={"accepted": -1})


# ---- programs --------------------------------------------------------------------------------------

def test_workers_that_do_not_come_are_quoted(tmp_path, monkeypatch):
    backend = object.__new__(local_backend.LocalBackend)
    (tmp_path / "worker-1.log").write_text("begin\nerror model.pt: no such file\n")

    class Dying:
        log = tmp_path / "worker-1.log"
        alive = staticmethod(lambda: True)
        tail = local_backend.Service.tail

    class NoWorkers:
        metrics = staticmethod(lambda: {'imgrec_workers{state="ready"}': 0})

    backend._manager, backend._workers, backend.figures = Dying(), {"worker-1": (Dying(), 0.0)}, NoWorkers()
    monkeypatch.setattr(local_backend, "START_S", 0)
    with pytest.raises(TimeoutError, match="1 workers to be ready and idle; .*worker-1.log.*model.pt: no such file"):
        backend.wait_idle()
