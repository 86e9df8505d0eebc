"""report.html: one file that needs nothing else, from an analysis and its plots.

Everything that came from a file is text here (markup.py escapes it). Nothing is dated but by the runs
themselves, so that the same runs make the same page.
"""
import pathlib

import findings
import html_tables
import method
import settings
from analysis import ALIKE, ALIKE_IN_SETTING, LATE_MS
from inline_svg import inline_svg
from markup import Markup, element as e, join

CSS = pathlib.Path(__file__).with_name("report.css")


def render(results, plots, plan, environment):
    """The page's text. `plan` and `environment`: [(name, value)], as they are shown."""
    sections = [("summary", "In short", _summary(results))]
    sections += [(name, settings.EXPERIMENTS[name], _experiment(results, name, plots)) for name in results.experiments]
    sections += [("ledger", "Every photo accounted for", _ledger(results)),
                 ("network", "The network", _network(results)),
                 ("run", "What was run", _what_was_run(results, plan, environment)),
                 ("left-out", "Runs left out or failed", _left_out(results)),
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
    said = findings.alarms(results)
    if not said:
        return []
    return [e("div", "Not every photo is accounted for. " if results.ledger.faults else "Runs are missing. ",
              e("a", "See which runs", href="#ledger"), ", ", e("a", "and which attempts", href="#left-out"),
              e("ul", *(e("li", one) for one in said)), class_="box bad", role="note")]


def _experiment(results, experiment, plots):
    content = []
    for images in results.image_counts:
        if not results.of(experiment, images):
            continue
        content.append(e("h3", settings.photos(images)))
        content += [e("p", sentence) for sentence in findings.sentences(results, experiment, images)]
        content.append(html_tables.comparison(results, experiment, images))
        own = [plot for plot in plots if plot.name.startswith(f"{experiment}-{images}-")]
        if own:
            content.append(e("div", *(e("figure", inline_svg(plot), class_="plot") for plot in own), class_="plots"))
    return content


def _ledger(results):
    return [*_faults(results),
            e("p", "Accepted must be done + failed + open, with none failed or open at the end, none shown more than "
                   "once, and every label as one worker alone gave it. Runs that are in no figure count here, too. "
                   "Restarts, photos sent again and duplicates dropped are what it took to get there; they are no "
                   "faults."),
            html_tables.ledger(results)]


def _name(account):
    return f"{settings.long_name(account.experiment, account.setting)}, {settings.photos(account.images)}"


def _faults(results):
    if not results.ledger.broken:
        return []
    found = [(_name(account), account.ledger) for account in results.accounts if account.ledger.broken]
    found.append(("all runs", results.ledger))
    begin = "The ledger does not balance. Throughput of runs with such photos counts some that were not recognised, " \
            "or not rightly." if results.ledger.faults else "Runs are missing."
    return [e("div", begin, e("ul", *(e("li", f"{name}: {ledger.verdict}") for name, ledger in found)),
              class_="box bad", role="note")]


def _network(results):
    return [e("p", "Round trips as the kernel smooths them (TCP_INFO), a mean over the workers; sent and returned are "
                   "the bits between the manager and its workers. Where the link emulator was late by more than "
                   f"{LATE_MS:g} ms, or could not read what came, it was itself part of the result."),
            html_tables.network(results)]


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
    for name in ("experiment", "images", "seed", *ALIKE_IN_SETTING, *ALIKE):
        found = {value for run in results.runs if (value := getattr(run, name)) is not None}
        # In order of size where they are numbers; a campaign of many seeds is not listed in full.
        shown = [f"{value:g}" if isinstance(value, float) else str(value) for value in sorted(found)]
        if shown:
            facts.append((name.replace("_", " "), ", ".join(shown[:12]) + (", …" if len(shown) > 12 else "")))
    facts.append(("repeats of a setting", ", ".join(map(str, sorted({len(group.runs) for group in results.groups})))))
    return facts


def _left_out(results):
    content = [html_tables.left_out(results)] if results.left_out else \
        [e("p", "Every run in runs.csv is in the figures above.")]
    if results.failures:
        return [*content, html_tables.failures(results)]
    return [*content, e("p", "No attempt failed." if results.failures is not None else
                        "Which attempts failed is not known: failed_runs.csv cannot be read.")]


def _method():
    return [e("ol", *(e("li", note) for note in method.notes()), class_="notes")]
