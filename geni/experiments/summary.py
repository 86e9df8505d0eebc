"""summary.csv: one row a setting and number of photos, with the figures of its group of like runs: in full, so
that others can compute with them."""
import csv

SPREADS = ("throughput_mbit", "images_per_s", "total_s")
PARTS = ("mean", "std", "t95_low", "t95_high", "median", "q1", "q3", "min", "max")
COLUMNS = ["experiment", "setting", "images", "n",
           *(f"{name}_{part}" for name in SPREADS for part in PARTS),
           "r", "r_n", "r_t95_low", "r_t95_high", "r_of_means", "r_at_bound",
           "r_of_up", "r_of_up_t95_low", "r_of_up_t95_high",
           "of_capacity", "speedup", "speedup_t95_low", "speedup_t95_high",
           "bound_s", "over_bound_mean", "over_bound_worst", "ledger"]


def write(path, results):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(row(account, results.group(account.experiment, account.setting, account.images))
                         for account in results.accounts)


def row(account, group):
    """Without figures where no run of the setting gives any: then there is no group."""
    name, verdict = [account.experiment, account.setting, str(account.images)], account.ledger.verdict
    if group is None:
        return [*name, "0"] + [""] * (len(COLUMNS) - len(name) - 2) + [verdict]
    return [*name, *(_text(value) for value in _figures(group)), verdict]


def _figures(group):
    values = [group.throughput.n]
    for found in (group.throughput, group.rate, group.total):
        values += [found.mean, found.std, found.low, found.high, found.median, found.q1, found.q3,
                   found.minimum, found.maximum]
    r = group.r
    values += [r.r, r.n, r.low, r.high, r.of_means] if r else [None] * 5
    values.append(group.possible)
    values += _ratio(group.r_of_up) + [group.of_capacity] + _ratio(group.speedup)
    over = group.over_bound
    return values + [group.bound, over.mean if over else None, over.maximum if over else None]


def _ratio(ratio):
    return [ratio.r, ratio.low, ratio.high] if ratio else [None] * 3


def _text(value):
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)
