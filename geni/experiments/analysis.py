"""From runs to what a report says of them: groups of like runs, each with its statistics.

A group is (experiment, setting, number of photos). Pure: runs in, figures out; nothing is read or
written here.
"""
import bisect
import dataclasses

import accounts
import published
import settings
import statistics_of_runs as statistics
from table import EXPERIMENTS

CLEAN = published.CLEAN  # the setting that r is relative to
# Above that, packets were noticeably later than asked, and the emulator part of what was measured.
LATE_MS = 5.0
BELOW_BOUND = 0.995  # what is less is no rounding
# A run's throughput may differ by that from what its bytes and seconds make, for rounding.
TOLERANCE = 0.02
# What has to be the same for runs to be of one kind.
ALIKE = ("link_rate_mbit", "cpu_share", "git_revision", "program_version", "model_digest", "kernel")
# What has to be the same for those of one setting: the programs choose it by the way.
ALIKE_IN_SETTING = ("congestion_control",)


@dataclasses.dataclass(frozen=True)
class Group:
    """Like runs, one for each repeat. Figures that these runs cannot give are None."""
    experiment: str
    setting: str
    images: int
    runs: list
    throughput: statistics.Spread  # Mbit/s of the photos' bytes
    rate: statistics.Spread  # photos a second
    total: statistics.Spread  # seconds
    r: statistics.Ratio | None  # throughput relative to the clean run of the same repeat
    possible: float | None  # the r of a run that takes as long as its bound, the clean run as long as it took
    r_of_up: statistics.Ratio | None  # the same, relative to the share of workers that was up
    speedup: statistics.Ratio | None  # relative to one worker, in the experiment `workers`
    possible_speedup: float | None  # that of a run that takes no longer than its bound
    over_bound: statistics.Spread | None  # total time / physical bound
    bound: float | None  # seconds, mean
    of_capacity: float | None  # mean of images/s over what the workers compute alone, while they were up
    ledger: accounts.Ledger  # of all runs of the setting, those too that are not in `runs`

    @property
    def clean(self):
        return (self.experiment, self.setting) == CLEAN

    @property
    def efficiency(self):
        """Of workers added: speed-up over their number, 1 is linear."""
        return self.speedup.over(self.runs[0].workers) if self.speedup else None

    def mean(self, column):
        return _mean(self.values(column))

    def values(self, column):
        return [value for run in self.runs if (value := getattr(run, column)) is not None]


@dataclasses.dataclass(frozen=True)
class Results:
    groups: list  # in the order in which they are shown
    left_out: list  # [(Run, why)]
    failures: list | None  # [table.Failure]: attempts that left no run; None where that is not known
    lost: list  # [table.Failure]: the last ones of runs that failed in every try
    notes: list  # what a reader has to know, as text
    accounts: list  # [accounts.Account], of every setting that was tried, in the order of the groups
    ledger: accounts.Ledger  # of all runs, those left out too
    runs: list  # all that were read

    def group(self, experiment, setting, images):
        for group in self.groups:
            if (group.experiment, group.setting, group.images) == (experiment, setting, images):
                return group
        return None

    def of(self, experiment, images):
        return [group for group in self.groups if (group.experiment, group.images) == (experiment, images)]

    def clean(self, images):
        return self.group(*CLEAN, images)

    @property
    def image_counts(self):
        return sorted({group.images for group in self.groups})

    @property
    def experiments(self):
        return [name for name in EXPERIMENTS if any(group.experiment == name for group in self.groups)]


def analyse(runs, notes=(), failures=()):
    """`failures`: None where failed_runs.csv cannot be read."""
    told = failures or []
    kept, left_out = _choose(runs)
    by_group = {}
    for run in kept:
        by_group.setdefault((run.experiment, run.setting, run.images), []).append(run)
    found = accounts.accounts_of(sorted(runs, key=order), told)
    ledgers = {(account.experiment, account.setting, account.images): account.ledger for account in found}
    groups = [_group(sorted(members, key=lambda run: run.repeat), by_group, ledgers[key])
              for key, members in by_group.items()]
    groups.sort(key=lambda group: order(group.runs[0]))
    warnings = [*_unlike(kept), *_unlike_in_setting(groups), *_apart(kept, by_group), *_inconsistent(kept),
                *_too_quick(kept), *_emulator(groups)]
    return Results(groups, left_out, failures, accounts.lost(runs, told), [*notes, *warnings], found,
                   accounts.ledger_of(runs, told), list(runs))


def order(run):
    """Experiments as published, few photos first, then from the mildest setting to the hardest."""
    return (EXPERIMENTS.index(run.experiment), run.images, run.workers, run.delay_ms or 0,
            run.loss_percent or 0, run.failure_probability or 0, run.setting)


def _choose(runs):
    """The runs that count, and those that do not, with the reason."""
    latest = {}
    for run in runs:
        latest[_identity(run)] = run  # appended later: run again
    kept, left_out = [], []
    for run in runs:
        if latest[_identity(run)] is not run:
            left_out.append((run, f"run again: line {latest[_identity(run)].line}"))
        elif accounts.violating(run):
            left_out.append((run, "violation: it has counts of photos and no total time, as not all results came in "
                                  "time or the ledger did not balance"))
        elif not run.total_s or not run.throughput_mbit or not run.images_per_s:
            left_out.append((run, "did not finish: it has no total time or no throughput"))
        else:
            kept.append(run)
    return kept, left_out


def _identity(run):
    return run.experiment, run.setting, run.images, run.repeat


def _group(runs, by_group, ledger):
    first = runs[0]
    clean = _by_repeat(by_group.get((*CLEAN, first.images), []))
    single = _by_repeat(by_group.get(("workers", "1", first.images), []))
    pairs = [(run, clean[run.repeat]) for run in runs if run.repeat in clean]
    up = [(run.throughput_mbit / share, reference.throughput_mbit)
          for run, reference in pairs if (share := up_share(run))]
    ones = [(run, single[run.repeat]) for run in runs if run.repeat in single and run.experiment == "workers"]
    bounds = [run for run in runs if run.bound_s]
    return Group(
        first.experiment, first.setting, first.images, runs,
        throughput=statistics.spread([run.throughput_mbit for run in runs]),
        rate=statistics.spread([run.images_per_s for run in runs]),
        total=statistics.spread([run.total_s for run in runs]),
        r=_ratio(pairs), possible=_possible(pairs), r_of_up=statistics.paired_ratio(up) if up else None,
        speedup=_ratio(ones), possible_speedup=_possible(ones),
        over_bound=statistics.spread([run.total_s / run.bound_s for run in bounds]) if bounds else None,
        of_capacity=_mean([run.images_per_s / (run.capacity_images_per_s * share) for run in runs
                           if run.capacity_images_per_s and (share := up_share(run))]),
        bound=_mean([run.bound_s for run in bounds]),
        ledger=ledger)


def _ratio(pairs):
    """Of the throughputs of [(run, reference)]."""
    return statistics.paired_ratio([(run.throughput_mbit, reference.throughput_mbit)
                                    for run, reference in pairs]) if pairs else None


def _possible(pairs):
    """The same, had the run taken as long as its bound."""
    return _mean([reference.total_s / run.bound_s for run, reference in pairs if run.bound_s])


def _by_repeat(runs):
    return {run.repeat: run for run in runs}


def up_share(run):
    """The share of its workers' time that they were registered, None where it was not recorded."""
    if not run.worker_up_s:
        return None
    return min(1.0, run.worker_up_s / (run.workers * run.total_s))


def _mean(values):
    return sum(values) / len(values) if values else None


def _unlike(runs):
    """Runs that differ in what should be the same for all."""
    for said in _differing(runs, ALIKE):
        yield f"The runs are not all alike: {said}."


def _unlike_in_setting(groups):
    """Runs of one setting that differ in what may differ between settings."""
    for group in groups:
        for said in _differing(group.runs, ALIKE_IN_SETTING):
            yield (f"{settings.long_name(group.experiment, group.setting)}, {settings.photos(group.images)}: the runs "
                   f"of this setting are not all alike: {said}.")


def _differing(runs, columns):
    for column in columns:
        found = sorted({str(value) for run in runs if (value := getattr(run, column)) is not None})
        if len(found) > 1:
            yield f"{column.replace('_', ' ')} is {', '.join(found[:6])}{', …' if len(found) > 6 else ''}"


def _apart(runs, by_group):
    """Runs that are not near in time to the clean run that r compares them with, as they are where the
    runner goes round by repeat."""
    pairs = apart = 0
    cleans = {}
    for run in runs:
        if run.images not in cleans:
            there = [one for one in by_group.get((*CLEAN, run.images), []) if one.started]
            cleans[run.images] = (_by_repeat(there), sorted(one.started for one in there))
        by_repeat, times = cleans[run.images]
        clean = by_repeat.get(run.repeat)
        if clean and clean is not run and run.started:
            first, last = sorted((run.started, clean.started))
            pairs += 1
            apart += bisect.bisect_left(times, last) > bisect.bisect_right(times, first)
    if apart:
        yield (f"The runs did not go round by repeat: between {apart} of {pairs} runs and the clean run of the same "
               "repeat there is the clean run of another. What changed in the machine meanwhile is in r, and not in "
               "its interval.")


def _too_quick(runs):
    """Runs that took less than their bound: then it is none, and what is held against it says little."""
    ratios = [run.total_s / run.bound_s for run in runs if run.bound_s and run.total_s < BELOW_BOUND * run.bound_s]
    if ratios:
        yield (f"{len(ratios)} run{'s' if len(ratios) > 1 else ''} took less than the physical bound, down to "
               f"{min(ratios):.3f} of it: there it is too long to be a bound, and ratios to it look too good.")


def _inconsistent(runs):
    """Runs whose throughput is not what their bytes and seconds make."""
    wrong = [run.line for run in runs if run.image_bytes
             and abs(run.image_bytes * 8e-6 / run.total_s / run.throughput_mbit - 1) > TOLERANCE]
    if wrong:
        yield (f"throughput_mbit is not image_bytes * 8 / total_s / 1e6 in {len(wrong)} runs, the first in line "
               f"{wrong[0]}; the figures here are of throughput_mbit.")


def _emulator(groups):
    """Settings in which the link emulator was itself late, or did not keep up."""
    for group in groups:
        late = max(group.values("link_lateness_p99_ms"), default=0)
        unread = sum(group.values("link_unread"))
        if late > LATE_MS or unread:
            name = settings.long_name(group.experiment, group.setting)
            yield (f"{name}, {settings.photos(group.images)}: the link emulator was part of what was measured "
                   f"(packets up to {late:.3g} ms late at the 99th percentile, {unread} not read in time). Run it "
                   "again on a quieter machine.")
