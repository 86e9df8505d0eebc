"""What the figures say, in sentences and against the targets: computed, never fixed beforehand.

Pure: analysis in, plain text out; whoever shows it escapes it.
"""
import dataclasses

import published
import settings
import targets
from accounts import lost_runs
from settings import digits

MAX_LOST = 5  # runs that an alarm names


@dataclasses.dataclass(frozen=True)
class Headline:
    """One figure at the top of the report. `met` is None where there is no target for it, or no run
    that could tell."""
    label: str
    value: str
    note: str
    met: bool | None


def headlines(results):
    many = max((count for count in results.image_counts if count > published.PHOTOS), default=None)
    return [_seconds(results), _over_bound(results), _delay(results, many), _loss(results, many),
            _failure(results, many), _scaling(results, many), _ledger(results)]


def _missing(label, what):
    return Headline(label, "not measured", what, None)


def _seconds(results):
    label = f"{settings.photos(published.PHOTOS)}, clean"
    clean = results.clean(published.PHOTOS)
    if not clean:
        return _missing(label, f"the course project took {published.CLEAN_TOTAL_S:.1f} s")
    times = published.CLEAN_TOTAL_S / clean.total.mean
    return Headline(label, f"{digits(clean.total.mean)} s",
                    f"{digits(times)} times faster than the course project's {published.CLEAN_TOTAL_S:.1f} s; "
                    f"target: {targets.FASTER} times", times >= targets.FASTER)


def _over_bound(results):
    label = f"{settings.photos(published.PHOTOS)}, farthest from its bound"
    groups = [group for experiment in results.experiments for group in results.of(experiment, published.PHOTOS)
              if group.over_bound]
    if not groups:
        return _missing(label, f"target: total time at most {targets.OVER_BOUND:g} times its physical bound")
    worst = max(groups, key=lambda group: group.over_bound.mean)
    return Headline(label, f"{worst.over_bound.mean:.2f} × bound",
                    f"{settings.long_name(worst.experiment, worst.setting)}; single runs up to "
                    f"{max(group.over_bound.maximum for group in groups):.2f}; target: at most "
                    f"{targets.OVER_BOUND:g} for every setting", worst.over_bound.mean <= targets.OVER_BOUND)


def _steady(results, many, experiment, setting):
    """(group, how many photos): the group of many photos, or else that of the published few."""
    count = many or published.PHOTOS
    return results.group(experiment, setting, count), settings.photos(count)


def _delay(results, many):
    setting, target = targets.DELAY
    return _kept(results, many, "delay", setting, target, f"{setting} ms each way")


def _loss(results, many):
    setting, by_control = targets.LOSS
    group, _ = _steady(results, many, "loss", setting)
    controls = {run.congestion_control or "" for run in group.runs} if group else set()
    # Of several, also of one run's connections ("bbr+cubic"), the strictest holds; an unknown one is held
    # against what the best can do.
    target = max([by_control.get(one, max(by_control.values())) for control in controls for one in control.split("+")],
                 default=max(by_control.values()))
    names = "".join(f", {control}" for control in sorted(filter(None, controls)))
    return _kept(results, many, "loss", setting, target, f"{setting} % lost{names}")


def _kept(results, many, experiment, setting, target, name):
    group, photos = _steady(results, many, experiment, setting)
    theirs = published.ratio(experiment, setting)
    label = f"Throughput kept, {name}, {photos}"
    course = f"the course project kept {theirs.r:.2f}"
    if not group or not group.r:
        return _missing(label, f"{course}; target: {target:g}")
    if not many:  # the target is for a steady state
        return Headline(label, f"r = {group.r.r:.2f}", f"{interval(group.r)}; {course}", None)
    at_bound = f"; {group.possible:.2f} had it taken as long as its bound" if group.possible else ""
    return Headline(label, f"r = {group.r.r:.2f}", f"{interval(group.r)}{at_bound}; {course}; target: {target:g}",
                    group.r.r >= target)


def _failure(results, many):
    setting, target = targets.FAILURE
    group, photos = _steady(results, many, "failure", setting)
    theirs = published.ratio("failure", setting)
    label = f"One worker failing at {setting}, {photos}"
    if not group or not group.r_of_up:
        return _missing(label, f"target: {target:g} of the capacity that was up")
    note = (f"{interval(group.r_of_up)}, against the clean run and for the time that workers were up; r = "
            f"{group.r.r:.2f}, the course project {theirs.r:.2f}")
    return Headline(label, f"{group.r_of_up.r:.2f} of capacity", note + (f"; target: {target:g}" if many else ""),
                    group.r_of_up.r >= target if many else None)


def _scaling(results, many):
    count = many or published.PHOTOS
    groups = [group for group in results.of("workers", count) if group.speedup and group.setting != "1"]
    label = f"Scaling, {settings.photos(count)}"
    if not groups:
        return _missing(label, f"target: {targets.LINEAR:g} of linear")
    worst = min(groups, key=lambda group: group.efficiency.r)
    largest = max(groups, key=lambda group: group.runs[0].workers)
    return Headline(label, f"{worst.efficiency.r:.2f} of linear",
                    f"{settings.long_name('workers', largest.setting)} are {largest.speedup.r:.2f} times as fast as one"
                    + (f"; least with {settings.long_name('workers', worst.setting)}" if worst is not largest else "")
                    + (f"; target: {targets.LINEAR:g}" if many else ""),
                    worst.efficiency.r >= targets.LINEAR if many else None)


def _ledger(results):
    ledger = results.ledger
    if ledger.broken:
        return Headline("Ledger", "does not balance" if ledger.faults else "not complete",
                        "; ".join(alarms(results)), False)
    if ledger.faults is None:
        return _missing("Ledger", "the runs have no counts of photos")
    all_told = results.failures is not None and ledger.checked("doubled") and ledger.checked("label_mismatches")
    return Headline("Ledger", "balanced", f"{ledger.counts['accepted']} photos accepted and recognised in "
                    f"{ledger.runs} runs, {_shown(ledger)}; {_labels(ledger)}"
                    + ("; of attempts that failed nothing is known" if results.failures is None else ""),
                    True if all_told else None)


def _shown(ledger):
    if ledger.checked("doubled"):
        return "none lost or shown twice"
    return f"none lost; whether any was shown twice is known of {ledger.recorded['doubled']} of them"


def _labels(ledger):
    compared = ledger.recorded["label_mismatches"]
    if not compared:
        return "labels were not compared"
    if compared == ledger.runs:
        return "every label as one worker alone gave it"
    return f"labels were compared in {compared} of them, every one as one worker alone gave it"


def alarms(results):
    """What breaks the promise that every photo is recognised, and shown once, as texts; none where nothing does."""
    said = list(results.ledger.faults or [])
    if results.lost:
        names = [f"{settings.long_name(run.experiment, run.setting)}, {run.images} photos, repeat {run.repeat}"
                 for run in results.lost[:MAX_LOST]]
        said.append(f"{lost_runs(len(results.lost))} ({'; '.join(names)}"
                    f"{'; …' if len(results.lost) > MAX_LOST else ''})")
    return said


def interval(ratio):
    """What stands behind a ratio: its interval, or why it has none."""
    if ratio.low is None:
        return "one run, so no interval"
    return f"95 % interval {ratio.low:.2f} to {ratio.high:.2f}"


def sentences(results, experiment, images):
    """What one experiment with so many photos says."""
    groups = results.of(experiment, images)
    said = [_scaled(groups) if experiment == "workers" else _hardest(_hardest_of(experiment, groups))]
    bounded = [group for group in groups if group.over_bound]
    if bounded:
        worst = max(bounded, key=lambda group: group.over_bound.mean)
        said.append(f"Total times are {_span([group.over_bound.mean for group in bounded])} times the physical bound "
                    f"(means), and {max(group.over_bound.maximum for group in bounded):.2f} times in the worst run "
                    f"(farthest on average: {settings.long_name(experiment, worst.setting)}).")
    return said


def _hardest_of(experiment, groups):
    if experiment == "combined":
        return min(groups, key=lambda group: group.r.r if group.r else 0)
    return groups[-1]  # they are in that order


def _span(values):
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def _scaled(groups):
    groups = [group for group in groups if group.speedup and group.setting != "1"]
    if not groups:
        return "There is no run with one worker beside these, so that nothing can be said of scaling."
    parts = [f"{settings.long_name('workers', group.setting)} are {group.speedup.r:.2f} times as fast as one "
             f"({interval(group.speedup)}; {group.efficiency.r:.2f} of linear"
             + (f", the course project {theirs.r / group.runs[0].workers:.2f})"
                if (theirs := published.speedup(group.setting)) else ")") for group in groups]
    said = "; ".join(parts) + "."
    worst = min(groups, key=lambda group: (group.possible_speedup or group.runs[0].workers) / group.runs[0].workers)
    if worst.possible_speedup and worst.possible_speedup < 0.9 * worst.runs[0].workers:
        said += (f" Photos are whole, and on their way for a while: as few as {worst.images} allow "
                 f"{settings.long_name('workers', worst.setting)} to be {worst.possible_speedup:.2f} times as fast as "
                 "this one, by their physical bound.")
    return said


def _hardest(group):
    begin = settings.in_words(group.experiment, group.setting)
    if not group.r:
        return f"{begin} there is no clean run of the same repeat, so that nothing can be said of throughput kept."
    kept = f"{begin} throughput is {group.r.r:.2f} of the clean run's ({interval(group.r)})"
    theirs = published.ratio(group.experiment, group.setting)
    if theirs:
        kept += f"; the course project kept {theirs.r:.2f} ({interval(theirs)})"
    kept += "."
    if group.possible and group.possible < 0.9:
        clean = group.possible * group.bound
        kept += (f" No system could have kept more than {group.possible:.2f} of these clean runs: they take "
                 f"{digits(clean)} s, and the physical bound here is {digits(group.bound)} s.")
    if group.experiment == "failure" and group.r_of_up:
        kept += f" Of the capacity that was up it is {group.r_of_up.r:.2f} ({interval(group.r_of_up)})"
        kept += f", and {group.of_capacity:.2f} of what the workers that were up compute alone." \
            if group.of_capacity else "."
    return kept
