"""What the course project published, and what its figures are of.

Each run sent 5 photos; there were 8 runs a setting, with three workers unless the setting says
otherwise. Throughput is in Mbit/s of the course project's own encoding, which sends every pixel as
decimal text: its bits are not the photos' bits, so that only the ratio to its own clean run can be
held against anybody else's. Its total time for 5 photos on three workers is the one absolute figure
that compares.

Its 95 % intervals are not given here since they are wrong: for n = 8 and a standard deviation of 1.39
it states a half-width of 0.016. Right is t * std / sqrt(n) with Student's t of 7 degrees of freedom,
that is 2.365 * 1.39 / 2.828 = 1.16 (`interval` computes it).
"""
import dataclasses

import statistics_of_runs as statistics

SOURCE = "the course project's report: 5 photos a run, 8 runs a setting"
PHOTOS = 5
RUNS = 8
CLEAN_TOTAL_S = 11.0  # 5 photos, three workers, nothing in the way
CLEAN = ("workers", "3")


@dataclasses.dataclass(frozen=True)
class Figure:
    mean: float  # Mbit/s of its text encoding
    std: float


FIGURES = {
    ("workers", "3"): Figure(16.29, 1.39),
    ("workers", "2"): Figure(12.72, 1.76),
    ("workers", "1"): Figure(8.56, 0.38),
    ("failure", "0.5"): Figure(14.57, 1.89),
    ("failure", "0.3"): Figure(15.07, 2.88),
    ("failure", "0.1"): Figure(16.07, 1.27),
    ("delay", "500"): Figure(6.17, 0.22),
    ("delay", "300"): Figure(7.38, 0.64),
    ("delay", "100"): Figure(11.69, 0.63),
    ("loss", "5"): Figure(14.25, 1.29),
    ("loss", "10"): Figure(8.26, 0.96),
    ("loss", "15"): Figure(3.00, 0.17),
}


def figure(experiment, setting):
    """What was published for a setting, None for one that the course project did not measure."""
    return FIGURES.get((experiment, setting))


def half_width(found):
    """Of the right 95 % interval of a published mean, in Mbit/s."""
    return statistics.half_width(found.std, RUNS)


def interval(found):
    """The right 95 % interval of a published mean: (low, high) in Mbit/s."""
    half = half_width(found)
    return found.mean - half, found.mean + half


def ratio(experiment, setting):
    """A published setting's throughput relative to the published clean run, None where there is none.
    Single runs were not published, so that they cannot be paired."""
    found = figure(experiment, setting)
    if found is None:
        return None
    if (experiment, setting) == CLEAN:
        return statistics.Ratio(RUNS, 1.0, None, None, 1.0)
    return _unpaired(found, FIGURES[CLEAN])


def speedup(setting):
    """Throughput of so many workers relative to one, as published."""
    found = figure("workers", setting)
    if found is None:
        return None
    if setting == "1":
        return statistics.Ratio(RUNS, 1.0, None, None, 1.0)
    return _unpaired(found, FIGURES["workers", "1"])


def _unpaired(found, clean):
    return statistics.ratio_of_means(found.mean, found.std, RUNS, clean.mean, clean.std, RUNS)
