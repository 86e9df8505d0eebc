"""The report's tables, one function each; markup.py escapes what is in them."""
import published
import settings
from accounts import COUNTED, violating
from analysis import LATE_MS
from markup import element as e
from settings import digits

NOTHING = "–"
MAX_FAILURES = 200  # shown
_COUNTED_AS = {"label_mismatches": "other label", "duplicates_dropped": "dropped"}
_MUST_BE_0 = ("failed", "open", "doubled", "label_mismatches")


def comparison(results, experiment, images):
    groups = list(results.of(experiment, images))
    clean = results.clean(images)
    if clean and experiment != "workers":
        groups.insert(0, clean)
    theirs = f"course project, {settings.photos(published.PHOTOS)}, n = {published.RUNS}"
    head = [e("tr", e("th", "setting", scope="col", rowspan=2), _over(3, theirs, "theirs"),
              _over(8, f"imgrec, {settings.photos(images)}", "first-of-ours")),
            e("tr", _th("Mbit/s", "of its text", "theirs"), _th("std", class_="theirs"), _th("r", class_="theirs"),
              _th("n", class_="first-of-ours"), _th("Mbit/s", "of photo bytes"), _th("std"), _th("images/s"),
              _th("total, s"), _th("r"), _th("r at bound"), _th("time / bound", "mean (worst)"))]
    return _table(f"{settings.EXPERIMENTS[experiment]}, {settings.photos(images)}: means with their 95 % intervals",
                  head, [_comparison_row(group, experiment) for group in groups])


def _over(columns, text, class_):
    return e("th", text, scope="colgroup", colspan=columns, class_=f"over {class_}")


def _comparison_row(group, experiment):
    name = "clean" if group.clean and experiment != "workers" else settings.long_name(group.experiment, group.setting)
    found = published.figure(group.experiment, group.setting)
    ratio = published.ratio(group.experiment, group.setting)
    theirs = [f"{found.mean:.2f} ± {published.half_width(found):.2f}", f"{found.std:.2f}", _ratio(ratio)] \
        if found else [NOTHING] * 3
    over = group.over_bound
    return e("tr", e("th", name, scope="row"), *(e("td", text, class_="theirs") for text in theirs),
             e("td", group.throughput.n, class_="first-of-ours"), e("td", _mean(group.throughput)),
             e("td", NOTHING if group.throughput.std is None else digits(group.throughput.std, 2)),
             e("td", _mean(group.rate)), e("td", _mean(group.total)),
             e("td", "1" if group.clean else _ratio(group.r)),
             e("td", NOTHING if group.possible is None else f"{group.possible:.2f}"),
             e("td", f"{over.mean:.2f} ({over.maximum:.2f})" if over else NOTHING))


def _mean(spread):
    if spread.std is None:
        return digits(spread.mean)
    return f"{digits(spread.mean)} ± {digits((spread.high - spread.low) / 2, 2)}"


def _ratio(ratio):
    if ratio is None:
        return NOTHING
    return f"{ratio.r:.2f}" + (f" ({ratio.low:.2f} to {ratio.high:.2f})" if ratio.low is not None else "")


def _th(text, under="", class_=""):
    return e("th", text, *([e("small", under)] if under else []), class_=class_, scope="col")


def _table(caption, head, rows):
    # Wider than a phone: it scrolls by itself, and by keyboard.
    head = head if head[0].startswith("<tr") else [e("tr", *head)]
    return e("div", e("table", e("caption", caption), e("thead", *head), e("tbody", *rows)),
             class_="scroll", tabindex="0", role="region", aria_label=caption)


def ledger(results):
    """What became of the photos of every setting, and of all runs together."""
    head = [_th("setting"), _th("photos"), _th("runs"), *(_th(_COUNTED_AS.get(name, name)) for name in COUNTED),
            _th("verdict", class_="text")]
    rows = [_ledger_row(settings.long_name(account.experiment, account.setting), account.images, account.ledger)
            for account in results.accounts]
    rows.append(_ledger_row("all", "", results.ledger, "all"))
    return _table("Photos of all runs, and what became of them", head, rows)


def _ledger_row(name, photos, ledger, class_=""):
    cells = [e("td", _sum(ledger, column), class_="wrong" if ledger.counts[column] and column in _MUST_BE_0 else "")
             for column in COUNTED]
    return e("tr", e("th", name, scope="row"), e("td", photos), e("td", ledger.runs), *cells,
             e("td", ledger.verdict.partition(":")[0], class_=_wrong_text(ledger.broken)), class_=class_)


def _sum(ledger, column):
    if ledger.counts[column] is None:
        return NOTHING
    of = "" if ledger.checked(column) else f" (in {ledger.recorded[column]} of the runs)"
    return f"{ledger.counts[column]}{of}"


def network(results):
    """What the links and TCP did, for every group."""
    head = [_th("setting"), _th("photos"), _th("control", "of congestion", "text"), _th("link", "Mbit/s"),
            _th("round trip", "ms"), _th("retransmissions", "a run"), _th("sent", "Mbit a run"),
            _th("returned", "Mbit a run"), _th("sent / photos", "bits"), _th("emulator late", "ms, 99th percentile"),
            _th("unread", "packets")]
    return _table("Network figures: means over the runs of a setting, the emulator's worst", head,
                  [_network_row(group) for group in results.groups])


def _network_row(group):
    def mean(column, scale=1.0):
        value = group.mean(column)
        return NOTHING if value is None else digits(value * scale)

    sent, photo_bytes = group.mean("wire_bits_out"), group.mean("image_bytes")
    late, unread = max(group.values("link_lateness_p99_ms"), default=None), group.values("link_unread")
    controls = sorted({run.congestion_control for run in group.runs if run.congestion_control})
    return e("tr", e("th", settings.long_name(group.experiment, group.setting), scope="row"), e("td", group.images),
             e("td", ", ".join(controls) or NOTHING, class_="text"),
             *(e("td", text) for text in (
                 mean("link_rate_mbit"), mean("rtt_ms"), mean("retransmissions"), mean("wire_bits_out", 1e-6),
                 mean("wire_bits_in", 1e-6), digits(sent / 8 / photo_bytes) if sent and photo_bytes else NOTHING)),
             e("td", NOTHING if late is None else digits(late), class_="wrong" if late and late > LATE_MS else ""),
             e("td", sum(unread) if unread else NOTHING, class_="wrong" if any(unread) else ""))


def failures(results):
    """Attempts that left no run, with what became of that run."""
    became = {}
    for run in results.runs:
        became[run.experiment, run.setting, str(run.images), str(run.repeat)] = \
            "in the ledger as a violation" if violating(run) else "measured" if run.total_s else "not finished"
    lost = {failure[:4] for failure in results.lost}
    head = [_th("experiment"), _th("setting", class_="text"), _th("photos"), _th("repeat"), _th("attempt"),
            _th("at", class_="text"), _th("kind", class_="text"), _th("what happened", class_="text"),
            _th("since", class_="text")]
    rows = [e("tr", e("th", failure.experiment, scope="row"), e("td", failure.setting, class_="text"),
              e("td", failure.images), e("td", failure.repeat), e("td", failure.attempt),
              e("td", failure.at, class_="text"),
              e("td", failure.kind or NOTHING, class_=_wrong_text(failure.kind == "violation")),
              e("td", failure.error, class_="text"),
              e("td", became.get(failure[:4], "lost" if failure[:4] in lost else "not measured yet"),
                class_=_wrong_text(failure[:4] in lost)))
            for failure in results.failures[:MAX_FAILURES]]
    left = len(results.failures) - len(rows)
    return _table("Attempts that failed" + (f" ({left} more in failed_runs.csv)" if left else ""), head, rows)


def _wrong_text(wrong):
    return "text wrong" if wrong else "text"


def left_out(results):
    """Runs that are in no figure but the ledger's, and why."""
    head = [_th("line"), _th("experiment", class_="text"), _th("setting", class_="text"), _th("photos"), _th("repeat"),
            _th("why", class_="text")]
    rows = [e("tr", e("th", run.line, scope="row"), e("td", run.experiment, class_="text"),
              e("td", run.setting, class_="text"), e("td", run.images), e("td", run.repeat),
              e("td", why, class_="text")) for run, why in results.left_out]
    return _table("Runs that are in no figure but the ledger", head, rows)
