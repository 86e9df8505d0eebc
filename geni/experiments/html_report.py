"""report.html: one file that needs nothing else, from an analysis and its plots.

Everything that came from a file is text here (markup.py escapes it). Nothing is dated but by the runs
themselves, so that the same runs make the same page.
"""
import pathlib

import findings
import published
import settings
import targets
from analysis import ALIKE, COUNTED, LATE_MS
from inline_svg import inline_svg
from markup import Markup, element as e, join
from settings import digits

CSS = pathlib.Path(__file__).with_name("report.css")
NOTHING = "–"


def render(results, plots, plan, environment):
    """The page's text. `plan` and `environment`: [(name, value)], as they are shown."""
    sections = [("summary", "In short", _summary(results))]
    sections += [(name, settings.EXPERIMENTS[name], _experiment(results, name, plots)) for name in results.experiments]
    sections += [("ledger", "Every photo accounted for", _ledger(results)),
                 ("network", "The network", _network(results)),
                 ("run", "What was run", _what_was_run(results, plan, environment)),
                 ("left-out", "Runs left out", _left_out(results)),
                 ("method", "Method and units", _method())]
    nav = e("nav", *(join([e("a", title, href=f"#{name}"), " "]) for name, title, _ in sections),
            aria_label="Sections")
    body = [e("header", e("h1", "imgrec experiments"), e("p", _when(results), class_="quiet"), nav),
            e("main", *(e("section", e("h2", title, id=f"{name}-title"), *content, id=name,
                          aria_labelledby=f"{name}-title") for name, title, content in sections)),
            e("footer", "Data: runs.csv, one row a run; summary.csv, one row a setting; plots/ as SVG and PNG.")]
    head = join([Markup('<meta charset="utf-8">'),
                 Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
                 e("title", "imgrec experiments"), e("style", Markup(CSS.read_text(encoding="utf-8")))])
    return f'<!doctype html>\n<html lang="en">\n{e("head", head)}\n{e("body", *body)}\n</html>\n'


def _when(results):
    times = sorted(run.started for run in results.runs if run.started)
    counted = f"{len(results.runs)} runs"
    if not times:
        return counted
    first, last = (f"{time:%Y-%m-%d %H:%M}" for time in (times[0], times[-1]))
    return f"{counted}, started {first} to {last} UTC"


# ---- in short ----

def _summary(results):
    tiles = [e("div", e("dt", found.label), e("dd", found.value, class_="value"), e("dd", found.note, class_="note"),
               *_mark(found.met), class_="tile") for found in findings.headlines(results)]
    notes = [e("div", e("strong", "To bear in mind"), e("ul", *(e("li", note) for note in results.notes)),
               class_="box warn")] if results.notes else []
    return [*_alarm(results), e("dl", *tiles, class_="tiles"), *notes]


def _mark(met):
    if met is None:
        return []
    return [e("dd", "target met" if met else "target missed", class_=f"mark {'met' if met else 'missed'}")]


def _alarm(results):
    if not results.ledger.faults:
        return []
    return [e("div", f"The ledger {results.ledger.verdict}. ",
              e("a", "See which runs", href="#ledger"), class_="box bad", role="note")]


# ---- one experiment ----

def _experiment(results, experiment, plots):
    content = []
    for images in results.image_counts:
        if not results.of(experiment, images):
            continue
        content.append(e("h3", settings.photos(images)))
        content += [e("p", sentence) for sentence in findings.sentences(results, experiment, images)]
        content.append(_comparison(results, experiment, images))
        own = [plot for plot in plots if plot.name.startswith(f"{experiment}-{images}-")]
        if own:
            content.append(e("div", *(e("figure", inline_svg(plot), class_="plot") for plot in own), class_="plots"))
    return content


def _comparison(results, experiment, images):
    groups = list(results.of(experiment, images))
    clean = results.clean(images)
    if clean and experiment != "workers":
        groups.insert(0, clean)
    theirs = f"course project, {settings.photos(published.PHOTOS)}, n = {published.RUNS}"
    head = [e("tr", e("th", "setting", scope="col", rowspan=2), _over(3, theirs, "theirs"),
              _over(7, f"imgrec, {settings.photos(images)}", "first-of-ours")),
            e("tr", _th("Mbit/s", "of its text", "theirs"), _th("std", class_="theirs"), _th("r", class_="theirs"),
              _th("n", class_="first-of-ours"), _th("Mbit/s", "of photo bytes"), _th("std"), _th("images/s"),
              _th("total, s"), _th("r"), _th("time / bound", "mean (worst)"))]
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


def _name(group):
    return f"{settings.long_name(group.experiment, group.setting)}, {settings.photos(group.images)}"


# ---- the ledger ----

def _ledger(results):
    head = [_th("setting"), _th("photos"), _th("runs"), *(_th(name.replace("_", " ")) for name in COUNTED),
            _th("verdict", class_="text")]
    rows = [_ledger_row(settings.long_name(group.experiment, group.setting), group.images, group.ledger)
            for group in results.groups]
    rows.append(_ledger_row("all, with those left out", "", results.ledger, "all"))
    return [*_faults(results),
            e("p", "Accepted must be done + failed + open, with none failed or open at the end, none shown more than "
                   "once, and every label that of the clean run. Restarts, photos sent again and duplicates dropped "
                   "are what it took to get there; they are no faults."),
            _table("Photos of all runs, and what became of them", head, rows)]


def _faults(results):
    if not results.ledger.faults:
        return []
    found = [(_name(group), group.ledger) for group in results.groups if group.ledger.faults]
    found.append(("all runs, with those left out", results.ledger))
    return [e("div", "The ledger does not balance. Throughput of such runs counts photos that were not recognised, "
                     "or not rightly.", e("ul", *(e("li", f"{name}: {'; '.join(ledger.faults)}")
                                                  for name, ledger in found)), class_="box bad", role="note")]


def _ledger_row(name, photos, ledger, class_=""):
    must_be_0 = ("failed", "open", "doubled", "label_mismatches")
    cells = [e("td", NOTHING if (count := ledger.counts[column]) is None else count,
               class_="wrong" if count and column in must_be_0 else "") for column in COUNTED]
    return e("tr", e("th", name, scope="row"), e("td", photos), e("td", ledger.runs), *cells,
             e("td", ledger.verdict.partition(":")[0], class_="text wrong" if ledger.faults else "text"), class_=class_)


# ---- the network ----

def _network(results):
    head = [_th("setting"), _th("photos"), _th("control", "of congestion", "text"), _th("link", "Mbit/s"), _th("round trip", "ms"),
            _th("retransmissions", "a run"), _th("sent", "Mbit a run"), _th("returned", "Mbit a run"),
            _th("sent / photos", "bits"), _th("emulator late", "ms, 99th percentile"), _th("unread", "packets")]
    return [e("p", "Round trips as the kernel smooths them (TCP_INFO), a mean over the workers; sent and returned are "
                   "the bits between the manager and its workers. Where the link emulator was late by more than "
                   f"{LATE_MS:g} ms, or could not read what came, it was itself part of the result."),
            _table("Network figures: means over the runs of a setting, the emulator's worst", head,
                   [_network_row(group) for group in results.groups])]


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


# ---- what was run ----

def _what_was_run(results, plan, environment):
    return [e("div", *(e("div", e("h3", title), _facts(facts)) for title, facts in
                       (("The runs", _of_runs(results)), ("Plan", plan), ("Machine and versions", environment))),
              class_="columns")]


def _facts(facts):
    if not facts:
        return e("p", "Not recorded.", class_="quiet")
    return e("dl", *(join([e("dt", name), e("dd", value)]) for name, value in facts), class_="facts")


def _of_runs(results):
    facts = [("runs", str(len(results.runs)))]
    for name in ("experiment", "images", "seed", *ALIKE):
        found = {value for run in results.runs if (value := getattr(run, name)) is not None}
        # In order of size where they are numbers; a campaign of many seeds is not listed in full.
        shown = [f"{value:g}" if isinstance(value, float) else str(value) for value in sorted(found)]
        if shown:
            facts.append((name.replace("_", " "), ", ".join(shown[:12]) + (", …" if len(shown) > 12 else "")))
    facts.append(("repeats of a setting", ", ".join(map(str, sorted({len(group.runs) for group in results.groups})))))
    return facts


def _left_out(results):
    if not results.left_out:
        return [e("p", "None: every run in runs.csv is in the figures above.")]
    head = [_th("line"), _th("experiment", class_="text"), _th("setting", class_="text"), _th("photos"), _th("repeat"),
            _th("why", class_="text")]
    rows = [e("tr", e("th", run.line, scope="row"), e("td", run.experiment, class_="text"),
              e("td", run.setting, class_="text"), e("td", run.images), e("td", run.repeat),
              e("td", why, class_="text")) for run, why in results.left_out]
    return [_table("Runs that are in no figure but the ledger", head, rows)]


# ---- method ----

def _method():
    clean = published.FIGURES[published.CLEAN]
    notes = [
        f"The published figures are of {published.SOURCE}. Their Mbit/s count the course project's own text encoding of "
        "an image's pixels; ours count the bytes of the photos as they were uploaded, times 8. The two cannot be held "
        f"against each other; r can, and so can the {published.CLEAN_TOTAL_S:.1f} s that its clean run took.",
        "Total time is from the first byte of the upload to the last result shown. Throughput is the photos' bits over "
        "it, in 10⁶ bits a second; images/s are photos over it. Ramp and tail are included.",
        "Means have Student's t interval: ± t · std / √n at 95 %, std with n - 1. One run has no interval. The course "
        f"project's own intervals are wrong: for n = {published.RUNS} and std {clean.std:.2f} it states ± 0.016, and "
        f"right is ± {published.half_width(clean):.2f}. The intervals of its figures here are the right ones.",
        "r is throughput relative to the clean run (three workers, nothing in the way) of the same repeat: the geometric "
        "mean of the repeats' ratios, with Student's t interval of their logarithms. The ratio of the two means is in "
        "summary.csv beside it. The published r are ratios of means, their single runs being unknown; their intervals "
        "are Student's on the logarithm (delta method, degrees of freedom by Welch and Satterthwaite).",
        "Scaling is the same against the run with one worker; of linear means divided by the number of workers. Of the "
        "capacity that was up means that a run's throughput was first divided by the share of its workers' time that "
        "they were registered.",
        "The physical bound of a run is the time it takes to compute its photos at the capacity of its workers, plus one "
        "round trip, plus the transfer at the link's goodput: no system is faster on these workers and links. What it "
        "allows of r is the clean run's total time over it.",
        "Quartiles are interpolated linearly between runs. Boxes span them, with the median as a bar and whiskers to "
        "the extremes.",
        f"Targets: total time at most {targets.OVER_BOUND:g} times the bound and {targets.FASTER} times faster than the "
        f"course project with {published.PHOTOS} photos; the others hold for many photos and are judged by the "
        "estimate, the interval beside it.",
    ]
    return [e("ol", *(e("li", note) for note in notes), class_="notes")]
