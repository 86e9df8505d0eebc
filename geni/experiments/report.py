#!/usr/bin/python3
"""Makes the report of a results folder: summary.csv, plots (SVG and PNG) and report.html.

    geni/experiments/report.py build/experiments/20010101T000000Z

Reads runs.csv (and failed_runs.csv, plan.json and environment.json, where they are there). The plots are drawn by
matplotlib (Debian: python3-matplotlib); without it the rest is made, and the exit code is 3.

Exit codes: 0 all is made, 1 the folder's data are wrong (the message names file and line),
2 wrong usage, 3 made without plots.
"""
import argparse
import json
import os
import pathlib
import sys

sys.dont_write_bytecode = True  # the checkout stays clean

import analysis  # noqa: E402
import html_report  # noqa: E402
import summary  # noqa: E402
import table  # noqa: E402

MAX_JSON_BYTES = 1 << 20
MAX_FACTS = 150
MAX_FACT = 400  # characters
DEBIAN_PYTHON = "/usr/bin/python3"


def main():
    arguments = parse_arguments()
    plots = _plots()
    if plots is None and _debian_has_it():
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON, __file__, *sys.argv[1:]])
    out = arguments.out or arguments.results
    try:
        runs, notes = table.read(arguments.results / "runs.csv")
        failures, more = table.read_failed(arguments.results / "failed_runs.csv")
        if not runs:
            raise table.BadTable(f"{arguments.results / 'runs.csv'} has no run yet; where runs failed, "
                                 "failed_runs.csv beside it says why")
        results = analysis.analyse(runs, notes + more, failures)
        write(results, arguments.results, out, plots)
    except (table.BadTable, OSError) as error:
        print(f"report.py: {error}", file=sys.stderr)
        return 1
    print(out / "report.html")
    if plots is None:
        print("report.py: made without plots, as this Python has no matplotlib; "
              f"apt-get install python3-matplotlib, and run it with {DEBIAN_PYTHON}", file=sys.stderr)
        return 3
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path, metavar="RESULTS_DIR", help="a results folder of run.sh")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", help="where the report goes (default: there, too)")
    return parser.parse_args()


def _plots():
    """The module that draws, None where there is no matplotlib that works."""
    try:
        import plots
        return plots
    except ImportError:
        return None


def _debian_has_it():
    """Whether we run on another Python that came first in PATH, where Debian's would do better."""
    return sys.executable != DEBIAN_PYTHON and \
        pathlib.Path("/usr/lib/python3/dist-packages/matplotlib").is_dir() and os.access(DEBIAN_PYTHON, os.X_OK)


def write(results, folder, out, plots):
    out.mkdir(parents=True, exist_ok=True)
    summary.write(out / "summary.csv", results)
    drawn = []
    if plots is not None:
        drawn = plots.all_plots(results)
        (out / "plots").mkdir(exist_ok=True)
        for plot in drawn:
            plot.save(out / "plots")
    page = html_report.render(results, drawn, facts(folder / "plan.json"), facts(folder / "environment.json"))
    (out / "report.html").write_text(page, encoding="utf-8")


def facts(path):
    """[(name, value)] of a JSON file, both text; what is wrong with it where it cannot be read. Nothing
    is computed from these files, so that one that is missing costs no more than its lines."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise ValueError(f"it is larger than {MAX_JSON_BYTES >> 20} MiB")
        found = list(_flatten(json.loads(data)))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        return [(path.name, f"cannot be read: {error}"[:MAX_FACT])]
    more = [("…", f"{len(found) - MAX_FACTS} more in {path.name}")] if len(found) > MAX_FACTS else []
    return found[:MAX_FACTS] + more


def _flatten(value, name=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f"{name} {key}".strip().replace("_", " "))
    elif isinstance(value, list) and any(isinstance(inner, (dict, list)) for inner in value):
        for number, inner in enumerate(value, 1):
            yield from _flatten(inner, f"{name} {number}".strip())
    else:
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield name[:MAX_FACT], text[:MAX_FACT]


if __name__ == "__main__":
    sys.exit(main())
