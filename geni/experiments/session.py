"""Runs a plan on a backend: what is there already is left out, what failed is tried once more, and every
run is on the disk before the next one begins. A run in which imgrec broke a promise did not fail: it is kept
as it was, and told of.

    session = Session(backend, plan, photos, folder, seed, facts, say)
    code = session.run()       # 0: all runs are there and good; 1: not
"""
import datetime
import json
import math

import measuring
from accounts import TRIES
from browser import RunFailed
from plan import CLEAN, expected_s
from progress import Progress
from rows import FAILED_COLUMNS, Table, identity_of

LEAST_TIMEOUT_S, CALIBRATION_TIMEOUT_S = 90, 600
# What may go wrong with one run and leave the others worth doing.
TROUBLE = (RunFailed, TimeoutError, RuntimeError, OSError)
WORD_TROUBLE, WORD_VIOLATION = "trouble", "violation"


class Session:
    def __init__(self, backend, plan, photos, folder, seed, facts, say):
        """`facts`: columns that are the same in every row."""
        self._backend, self._plan, self._photos = backend, plan, photos
        self._folder, self._seed, self._facts, self._say = folder, seed, facts, say
        self._table = Table(folder / "runs.csv")
        self._failures = Table(folder / "failed_runs.csv", FAILED_COLUMNS)
        self._calibration = None
        self._left_out = []

    def run(self):
        there = {identity_of(row) for row in self._table.rows}
        able = self._able_settings()
        left = [run for run in self._plan.runs if run.identity not in there and run.setting in able]
        if there:
            self._say(f"{len(there)} runs are there already, {len(left)} are left")
        lost = []
        if left:
            self._calibrate()
            expected = list(expected_s(left, 1 / self._calibration.images_per_s))
            progress = Progress(expected)
            for number, run in enumerate(left):
                row = self._try(run, max(LEAST_TIMEOUT_S, 10 * expected[number]))
                if row is None:
                    lost.append(run)
                progress.done(number)
                self._say(_line(number + 1, len(left), run, row, progress))
        return self._conclude(lost)

    def _able_settings(self):
        able = []
        for setting in self._plan.settings:
            reason = self._backend.unable(setting)
            if reason:
                self._say(f"{setting.name} is left out: {reason}")
                self._left_out.append(setting)
            else:
                able.append(setting)
        return able

    def _calibrate(self):
        """One reference and one speed for all rows that are compared with each other, whenever they were
        measured."""
        kept = self._folder / "calibration.json"
        if kept.exists():
            self._calibration = measuring.Calibration(**json.loads(kept.read_text()))
            self._backend.ready(CLEAN)
            digest = measuring.model_digest(self._backend)
            if digest != self._calibration.model_digest:
                raise RuntimeError(f"the runs that are there are of another model "
                                   f"({self._calibration.model_digest[:12]}, now {digest[:12]})")
            return
        self._say("Measuring one worker alone, on the clean link")
        self._calibration = measuring.calibrate(self._backend, self._photos, CALIBRATION_TIMEOUT_S)
        new = kept.with_suffix(".new")
        new.write_text(json.dumps(vars(self._calibration), indent=1) + "\n")
        new.rename(kept)
        self._say(f"  {self._calibration.images_per_s:.2f} photos/s")

    def _try(self, run, timeout_s):
        """The run's row, or None where it failed every time."""
        for attempt in range(1, TRIES + 1):
            try:
                self._backend.ready(run.setting)
                measuring.warm_up(self._backend, run.setting, self._photos, timeout_s)
                row, violation = measuring.measure(self._backend, run, self._photos, self._calibration,
                                                   self._seed, timeout_s)
                self._table.append({**row, **self._facts})
                if violation:
                    self._note_failure(run, attempt, violation, WORD_VIOLATION)
                    self._backend.give_up_cluster()
                return self._table.rows[-1]
            except TROUBLE as error:
                self._note_failure(run, attempt, f"{type(error).__name__}: {error}", WORD_TROUBLE)
                self._backend.give_up_cluster()
        return None

    def _note_failure(self, run, attempt, words, kind):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self._failures.append({"experiment": run.setting.experiment, "setting": run.setting.key,
                               "images": run.images, "repeat": run.repeat, "attempt": attempt,
                               "at": now, "error": words, "kind": kind})
        self._say(f"{run.setting.name}, repeat {run.repeat}, attempt {attempt}, {kind}: {words}")

    def _conclude(self, lost):
        bad = [row for row in self._table.rows if complaint(row)]
        for row in bad:
            self._say(f"{row['experiment']} {row['setting']}, repeat {row['repeat']}: {complaint(row)}")
        for run in lost:
            self._say(f"{run.setting.name}, repeat {run.repeat}, of {run.images} photos could not be "
                      f"measured: {self._folder / 'failed_runs.csv'} says why")
        if self._left_out:
            self._say("Left out, for the reasons above: " + ", ".join(s.name for s in self._left_out))
        for line in summary(self._table.rows):
            self._say(line)
        return 1 if bad or lost or self._left_out else 0


def complaint(row):
    """What is wrong with a run that was measured, or ""."""
    wrong = [] if row["total_s"] else ["it has no times: results did not come, or the ledger does not "
                                           "balance; failed_runs.csv says which"]
    if not int(row["accepted"]) == int(row["done"]) == int(row["images"]):
        wrong.append(f"{row['images']} photos were sent, {row['accepted']} accepted, {row['done']} "
                     f"recognised, {row['failed']} failed, {row['open']} are open")
    if int(row["doubled"]):
        wrong.append(f"{row['doubled']} results were shown twice")
    if int(row["label_mismatches"]):
        wrong.append(f"{row['label_mismatches']} labels are other than one worker alone gave")
    if int(row["restarts"] or 0) and float(row["failure_probability"]) == 0:
        wrong.append(f"a worker ended {row['restarts']} times")
    return "; ".join(wrong)


def summary(rows):
    """A line for each setting: mean time, r, bound. The report has all of it."""
    groups = {}
    for row in filter(_has_time, rows):
        groups.setdefault((int(row["images"]), row["experiment"], row["setting"]), []).append(row)
    yield f"{'photos':>6} {'setting':32} {'runs':>4} {'s':>8} {'Mbit/s':>8} {'r':>6} {'x bound':>8}"
    for (images, experiment, setting), found in groups.items():
        clean = groups.get((images, CLEAN.experiment, CLEAN.key))
        rate = _mean(found, "throughput_mbit")
        r = f"{rate / _mean(clean, 'throughput_mbit'):6.3f}" if clean else ""
        yield (f"{images:6} {experiment + ' ' + setting:32} {len(found):4} {_mean(found, 'total_s'):8.3f} "
               f"{rate:8.2f} {r:>6} {_of_bound(found):>8}")


def _has_time(row):
    return row["total_s"] != ""


def _of_bound(rows):
    """The mean over runs that have a bound: without an end is none."""
    found = [float(row["total_s"]) / float(row["bound_s"]) for row in rows
             if row["bound_s"] and math.isfinite(float(row["bound_s"]))]
    return f"{sum(found) / len(found):.2f}" if found else ""


def _mean(rows, column):
    return sum(float(row[column]) for row in rows) / len(rows)


def _line(number, count, run, row, progress):
    took = "failed" if not row else f"{float(row['total_s']):.3f} s" if _has_time(row) else "a violation"
    return (f"[{number}/{count}] {run.setting.name}, {run.images} photos, repeat {run.repeat}: {took}; "
            f"{progress.left()} left")
