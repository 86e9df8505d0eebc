"""What became of the photos: the ledger of some runs and of the attempts that left no run, and what in it
breaks the promise that every photo is recognised, and shown once.

Pure: runs and failures in, counts and words out.
"""
import collections
import dataclasses

COUNTED = ("accepted", "done", "failed", "open", "doubled", "label_mismatches", "restarts", "resent",
           "duplicates_dropped")
_BALANCE = ("accepted", "done", "failed", "open")
# What was looked at in a run only where it is recorded: nothing may be said of the others.
_CHECKS = {"doubled": "results shown again", "label_mismatches": "labels"}
TRIES = 2  # so often run.sh tries a run before it goes on without it


@dataclasses.dataclass(frozen=True)
class Ledger:
    """The photos of some runs, and what became of them. `faults` says what does not add up, None where
    the counts are not there to say so. `recorded`: of how many of the runs each count is. `lost`: how
    many runs failed in every try, of whose photos nothing is known."""
    runs: int
    counts: dict
    recorded: dict
    faults: list | None
    lost: int = 0

    @property
    def verdict(self):
        if self.faults:
            return f"does not balance: {'; '.join([*self.faults, *self._lost()])}"
        if self.faults is None:
            return ", and ".join(["not recorded", *self._lost()])
        gaps = [*self._lost(), *(f"{what} checked in {self.recorded[name]} of {self.runs} runs"
                                 for name, what in _CHECKS.items() if not self.checked(name))]
        return ", but ".join(["balanced", *(["; ".join(gaps)] if gaps else [])])

    @property
    def broken(self):
        """Whether a reader has to be alarmed."""
        return bool(self.faults or self.lost)

    def checked(self, name):
        return self.recorded[name] == self.runs

    def _lost(self):
        return [lost_runs(self.lost)] if self.lost else []


@dataclasses.dataclass(frozen=True)
class Account:
    """The ledger of a setting: of all its runs, those too that are in no figure."""
    experiment: str
    setting: str
    images: int | str  # as the file has it, where only an attempt that failed tells
    ledger: Ledger


def lost_runs(count):
    return f"{_counted(count, 'run')} lost in every try"


def _counted(count, what):
    return f"{count} {what}{'' if count == 1 else 's'}"


def violating(run):
    """Whether a run has counts and no total time: its results did not all come, or its ledger did not
    balance, and it was written down for that."""
    return run.total_s is None and any(getattr(run, name) is not None for name in _BALANCE)


def lost(runs, failures):
    """[Failure], one for each run that failed in every try, the last one."""
    there = {_identity(run) for run in runs}
    tries = collections.Counter(failure[:4] for failure in failures)
    last = {failure[:4]: failure for failure in failures}
    return [failure for identity, failure in last.items() if tries[identity] >= TRIES and identity not in there]


def ledger_of(runs, failures=()):
    """Of runs and of the attempts that failed beside them."""
    counts, recorded = {}, {}
    for name in COUNTED:
        values = [value for run in runs if (value := getattr(run, name)) is not None]
        counts[name], recorded[name] = sum(values) if values else None, len(values)
    return Ledger(len(runs), counts, recorded, _faults(runs, _violations(runs, failures)), len(lost(runs, failures)))


def accounts_of(runs, failures):
    """[Account] of every setting that was tried, in the order of its first run; those of which no run is
    there come last."""
    by_setting = {}
    for run in runs:
        by_setting.setdefault(_identity(run)[:3], ([], []))[0].append(run)
    for failure in failures:
        by_setting.setdefault(failure[:3], ([], []))[1].append(failure)
    found = [Account(experiment, setting, members[0].images if members else images, ledger_of(members, attempts))
             for (experiment, setting, images), (members, attempts) in by_setting.items()]
    # A setting that only failed once is not measured yet, and has no account to give.
    return [account for account in found if account.ledger.runs or account.ledger.broken]


def _identity(run):
    """Of a run, in the texts that failed_runs.csv has of it."""
    return run.experiment, run.setting, str(run.images), str(run.repeat)


def _violations(runs, failures):
    """Attempts that broke the promise, but for those of which a row tells."""
    told = {_identity(run) for run in runs if _faults([run])}
    return [failure for failure in failures if failure.kind == "violation" and failure[:4] not in told]


def _faults(runs, violations=()):
    known = [run for run in runs if all(getattr(run, name) is not None for name in _BALANCE)]
    # Run by run: what one has too many must not make up for what another lacks.
    wrong = {
        "accepted are not done + failed + open": (abs(run.accepted - run.done - run.failed - run.open)
                                                  for run in known),
        "sent and not accepted, or accepted twice": (abs(run.images - run.accepted) for run in known),
        "failed": (run.failed for run in known),
        "still open": (abs(run.open) for run in known),
        "shown more than once": (run.doubled or 0 for run in runs),
        "labelled otherwise than by one worker alone": (run.label_mismatches or 0 for run in runs),
    }
    faults = [f"{_counted(count, 'photo')} {what}" for what, each in wrong.items() if (count := sum(each))]
    if short := sum(map(violating, runs)):
        faults.append(f"{_counted(short, 'run')} without all results in time")
    if violations:
        faults.append(f"{_counted(len(violations), 'attempt')} that lost photos or did not balance, and left no run")
    if not known and not faults:
        return None
    if unknown := len(runs) - len(known):
        faults.append(f"{_counted(unknown, 'run')} without counts")
    return faults
