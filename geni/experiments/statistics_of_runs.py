"""The statistics of runs: spread of a sample, Student's t intervals, ratios with intervals.

Pure functions of numbers, on the standard library alone. An interval is of 95 % throughout; where one
run cannot give it, it is None.
"""
import dataclasses
import math

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Spread:
    """A sample: `low` to `high` is the 95 % interval of its mean, std is of n - 1."""
    n: int
    mean: float
    std: float | None
    low: float | None
    high: float | None
    median: float
    q1: float
    q3: float
    minimum: float
    maximum: float


@dataclasses.dataclass(frozen=True)
class Ratio:
    """`r` with its 95 % interval, from n pairs (or n runs of each, where they are not paired), and
    the plain ratio of the two means beside it."""
    n: int
    r: float
    low: float | None
    high: float | None
    of_means: float

    def over(self, divisor):
        """The same ratio, divided by a number that is known exactly."""
        low, high = (None if end is None else end / divisor for end in (self.low, self.high))
        return Ratio(self.n, self.r / divisor, low, high, self.of_means / divisor)


def spread(values):
    """Of at least one value."""
    ordered = sorted(values)
    n = len(ordered)
    mean = math.fsum(ordered) / n
    std = low = high = None
    if n > 1:
        std = math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / (n - 1))
        half = half_width(std, n)
        low, high = mean - half, mean + half
    return Spread(n, mean, std, low, high, quantile(ordered, 0.5), quantile(ordered, 0.25),
                  quantile(ordered, 0.75), ordered[0], ordered[-1])


def quantile(ordered, share):
    """By linear interpolation between the two neighbours (type 7 of Hyndman and Fan)."""
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def half_width(std, n):
    """Of the 95 % interval of a mean of n > 1 values: t * std / sqrt(n), with n - 1 degrees of freedom."""
    return t_quantile((1 + CONFIDENCE) / 2, n - 1) * std / math.sqrt(n)


def paired_ratio(pairs):
    """Of at least one (value, reference), both above 0, measured in the same repeat.

    `r` is the geometric mean of the pairs' ratios; its interval is Student's on their logarithms, so that
    the result is the same upside down, which a mean of ratios is not. What both runs of a repeat have in
    common cancels out: their photos, and what drifts slowly in the machine where they were made near each
    other, as they are by a runner that goes round by repeat (analysis warns where they were not).
    """
    logs = spread([math.log(value / reference) for value, reference in pairs])
    of_means = math.fsum(value for value, _ in pairs) / math.fsum(reference for _, reference in pairs)
    low, high = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
    return Ratio(logs.n, math.exp(logs.mean), low, high, of_means)


def ratio_of_means(mean, std, n, reference_mean, reference_std, reference_n):
    """Of two samples of which only mean and deviation are known: the interval is Student's on the
    logarithm, its variance by the delta method (std² / (n mean²) from each), its degrees of freedom by
    Welch and Satterthwaite."""
    r = mean / reference_mean
    parts = [(std / mean) ** 2 / n, (reference_std / reference_mean) ** 2 / reference_n]
    variance = sum(parts)
    if variance == 0:
        return Ratio(n, r, r, r, r)
    freedom = variance ** 2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (reference_n - 1))
    half = t_quantile((1 + CONFIDENCE) / 2, freedom) * math.sqrt(variance)
    return Ratio(n, r, r * math.exp(-half), r * math.exp(half), r)


def t_quantile(probability, freedom):
    """Where Student's t distribution has `probability` below it; 0.5 <= probability < 1, freedom > 0
    (it need not be whole). By bisection of the distribution function: exact to some 1e-12."""
    low, high = 0.0, 1.0
    while t_below(high, freedom) < probability:
        high *= 2
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if t_below(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def t_below(t, freedom):
    """The share of Student's t distribution below t >= 0: 1 - I_x(f/2, 1/2) / 2 with x = f/(f + t²)."""
    return 1 - _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2


def _incomplete_beta(x, a, b):
    """The regularised I_x(a, b), by its continued fraction (DLMF 8.17.22), which converges fast for
    x < (a + 1)/(a + b + 2); beyond, I_x(a, b) = 1 - I_(1-x)(b, a)."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b)
                     - math.lgamma(a) - math.lgamma(b)) / a
    # From the inside out: the terms at hand need some tens of steps, so a fixed depth is plain and safe.
    fraction = 1.0
    for step in range(200, 0, -1):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        fraction = 1 + term / fraction
    return front / fraction
