"""How the figures come about and what their units are: the report's footnotes."""
import published
import targets


def notes():
    """[text]"""
    clean = published.FIGURES[published.CLEAN]
    return [
        f"The published figures are of {published.SOURCE}. Their Mbit/s count the course project's own text encoding "
        "of an image's pixels; ours count the bytes of the photos as they were uploaded, times 8. The two cannot be "
        f"held against each other; r can, and so can the {published.CLEAN_TOTAL_S:.1f} s that its clean run took.",
        "Total time is from the first byte of the upload to the last result shown. Throughput is the photos' bits "
        "over it, in 10⁶ bits a second; images/s are photos over it. Ramp and tail are included.",
        "Means have Student's t interval: ± t · std / √n at 95 %, std with n - 1. One run has no interval. The "
        f"course project's own intervals are wrong: for n = {published.RUNS} and std {clean.std:.2f} it states "
        f"± 0.016, and right is ± {published.half_width(clean):.2f}. Those of its figures here are the right ones.",
        "Runs go round by repeat: repeat 1 of every setting, then repeat 2 of every setting, and so on, each run "
        "with a new manager and new connections. So pairing by repeat cancels slow drift of the machine, and the "
        "repeats are independent but for that drift. A note at the top says where runs were made in another order.",
        "r is throughput relative to the clean run (three workers, nothing in the way) of the same repeat: the "
        "geometric mean of the repeats' ratios, with Student's t interval of their logarithms. The ratio of the two "
        "means is in summary.csv beside it. The published r are ratios of means, their single runs being unknown; "
        "their intervals are Student's on the logarithm (delta method, degrees of freedom by Welch and "
        "Satterthwaite).",
        "Scaling is the same against the run with one worker; of linear means divided by the number of workers. Of "
        "the capacity that was up means that a run's throughput was first divided by the share of its workers' time "
        "that they were registered.",
        "The physical bound of a run is one round trip, plus what it takes to get its photos over the links at "
        "their goodput and to compute them at the capacity of the workers that were there, the two overlapping as "
        "far as they can: no system is faster on these workers and links. r at bound is the "
        "clean run's total time T over it: the r of a run that takes as long as its bound. Above 1 the clean run is "
        "farther from its own bound than this costs. Of many photos, a round trip of t seconds alone costs r some "
        "T / (T + t).",
        "Quartiles are interpolated linearly between runs. Boxes span them, with the median as a bar and whiskers "
        "to the extremes.",
        f"Targets: total time at most {targets.OVER_BOUND:g} times the bound and {targets.FASTER} times faster than "
        f"the course project with {published.PHOTOS} photos; the others hold for many photos. They are judged by "
        "the estimate, with its interval beside it.",
    ]
