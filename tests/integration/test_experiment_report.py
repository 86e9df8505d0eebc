"""The report of experiments: its statistics against known values, what it makes of runs, its refusals,
and the page itself. The runs are made up (synthetic_runs.py)."""
import csv
import html.parser
import importlib.util
import json
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

import synthetic_runs
from synthetic_runs import Chance, REPO, clean, read, row, rows, write

import analysis
import findings
import html_tables
import method
import published
import statistics_of_runs as statistics
import summary
import table
from inline_svg import inline_svg
from markup import Markup, element

sys.dont_write_bytecode = True
REPORT = REPO / "geni" / "experiments" / "report.py"
DEBIAN_PYTHON = "/usr/bin/python3"


def report(folder, *arguments, python=DEBIAN_PYTHON):
    """The entry as run.sh calls it, of Debian's Python: another's numpy may not fit its matplotlib."""
    return subprocess.run([python, REPORT, folder, *arguments], capture_output=True, text=True, timeout=120)


def have_matplotlib():
    return subprocess.run([DEBIAN_PYTHON, "-c", "import matplotlib"], capture_output=True).returncode == 0


needs_matplotlib = pytest.mark.skipif(not have_matplotlib(),
                                      reason="no matplotlib: apt-get install python3-matplotlib")


# What scipy.stats.t.ppf (1.16) says.
@pytest.mark.parametrize("freedom, at_975, at_90", [
    (0.5, 164.55767348048818, 10.27032441023451), (1, 12.706204736174694, 3.0776835371752544),
    (2, 4.302652729749462, 1.8856180831641272), (7, 2.364624251592784, 1.4149239276505086),
    (13.3, 2.1554255298164744, 1.3485437274675431), (29, 2.045229642132703, 1.311433647301551),
    (1000, 1.9623390808264083, 1.2823987214609247)])
def test_quantiles_of_student_t_are_those_of_scipy(freedom, at_975, at_90):
    assert statistics.t_quantile(0.975, freedom) == pytest.approx(at_975, rel=1e-9)
    assert statistics.t_quantile(0.9, freedom) == pytest.approx(at_90, rel=1e-9)
    assert statistics.t_quantile(0.5, freedom) == pytest.approx(0, abs=1e-9)


def test_the_course_projects_interval_is_put_right():
    half = published.half_width(published.figure("workers", "3"))
    assert 1.16 <= half <= 1.17
    assert published.interval(published.figure("workers", "3")) == (16.29 - half, 16.29 + half)


def test_spread_by_hand():
    found = statistics.spread([4, 1, 3, 2])
    assert (found.n, found.mean, found.median, found.q1, found.q3) == (4, 2.5, 2.5, 1.75, 3.25)
    assert (found.minimum, found.maximum) == (1, 4)
    assert found.std == pytest.approx(math.sqrt(5 / 3))
    # t of 3 degrees of freedom is 3.182446
    assert found.high - found.mean == pytest.approx(3.182446305 * math.sqrt(5 / 3) / 2, rel=1e-8)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_one_run_has_no_interval():
    found = statistics.spread([7.0])
    assert (found.mean, found.median, found.q1, found.minimum) == (7, 7, 7, 7)
    assert found.std is found.low is found.high is None
    ratio = statistics.paired_ratio([(3.0, 4.0)])
    assert ratio.r == pytest.approx(0.75) and ratio.low is None and ratio.high is None


def test_paired_ratio_is_the_geometric_mean_and_the_same_upside_down():
    pairs = [(2.0, 4.0), (8.0, 4.0), (3.0, 6.0)]
    found, other = statistics.paired_ratio(pairs), statistics.paired_ratio([pair[::-1] for pair in pairs])
    assert found.r == pytest.approx((0.5 * 2 * 0.5) ** (1 / 3))
    assert found.of_means == pytest.approx(13 / 14)
    # Logarithms -ln2, ln2, -ln2: mean -ln2/3, std 2 ln2/sqrt(3); t of 2 degrees of freedom 4.302653.
    half = 4.30265273 * (2 * math.log(2) / math.sqrt(3)) / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((found.r * math.exp(-half), found.r * math.exp(half)), rel=1e-7)
    assert (other.r, other.low, other.high) == pytest.approx((1 / found.r, 1 / found.high, 1 / found.low))


def test_pairing_takes_out_what_both_runs_of_a_repeat_share():
    slow_and_fast_hours = [(0.9 * speed, speed) for speed in (10.0, 20.0, 40.0)]
    found = statistics.paired_ratio(slow_and_fast_hours)
    assert (found.low, found.r, found.high) == pytest.approx((0.9, 0.9, 0.9))


def test_published_ratios():
    delay = published.ratio("delay", "500")
    assert delay.r == pytest.approx(6.17 / 16.29)
    # Variance of the logarithm 1.0691e-3, Welch's degrees of freedom 9.44, t 2.2463 (scipy).
    assert (delay.low, delay.high) == pytest.approx((0.35191, 0.40765), abs=2e-5)
    assert published.ratio("loss", "15").r == pytest.approx(0.18, abs=0.005)
    assert published.ratio(*published.CLEAN).r == 1 and published.ratio(*published.CLEAN).low is None
    assert published.ratio("delay", "200") is None and published.speedup("4") is None


def test_r_is_paired_by_repeat_and_the_rest_follows():
    found = read([clean(repeat=1, total_s=1.0, throughput_mbit=40, images_per_s=5),
                  clean(repeat=2, total_s=2.0, throughput_mbit=20, images_per_s=2.5),
                  row("loss", "5", 5, 2, Chance, total_s=4.0, throughput_mbit=10, images_per_s=1.25, bound_s=3.2),
                  row("loss", "5", 5, 3, Chance, total_s=1.0, throughput_mbit=40, images_per_s=5, bound_s=0.5)])
    group = found.group("loss", "5", 5)
    assert (group.r.n, group.r.r) == (1, 0.5), "repeat 3 has no clean run beside it, repeat 1 no lossy one"
    assert group.throughput.n == 2 and group.throughput.mean == 25
    assert (group.over_bound.mean, group.over_bound.maximum) == ((1.25 + 2) / 2, 2)
    assert group.possible == 2.0 / 3.2


def test_what_the_bound_allows_few_photos_on_more_workers():
    # 5 photos on 3 workers are 2 turns against 5, never 3 times as fast.
    found = read([clean(total_s=0.22, bound_s=0.2), row("workers", "1", 5, 1, Chance, total_s=0.5)])
    assert found.group("workers", "3", 5).possible_speedup == pytest.approx(2.5)
    assert "2.50 times as fast as this one" in findings.sentences(found, "workers", 5)[0]


def test_capacity_that_was_up_counts_the_workers_time():
    # Two of three workers' time, and three quarters of the clean throughput.
    found = read([clean(total_s=1.0, throughput_mbit=4.4, images_per_s=5),
                  row("failure", "0.5", 5, 1, Chance, total_s=4 / 3, throughput_mbit=3.3, images_per_s=3.75,
                      worker_up_s=8 / 3)])
    assert found.group("failure", "0.5", 5).r.r == pytest.approx(0.75)
    assert found.group("failure", "0.5", 5).r_of_up.r == pytest.approx(0.75 * 3 / 2)
    # 3.75 photos/s of the 40 that two of three workers of 20 compute.
    assert found.group("failure", "0.5", 5).of_capacity == pytest.approx(3.75 / 40)


def test_scaling_is_of_linear():
    found = read([clean(throughput_mbit=27), row("workers", "1", 5, 1, Chance, throughput_mbit=10)])
    group = found.group("workers", "3", 5)
    assert group.speedup.r == pytest.approx(2.7) and group.efficiency.r == pytest.approx(0.9)


def test_a_run_again_replaces_the_first_and_an_unfinished_one_is_left_out():
    found = read([clean(throughput_mbit=10), clean(throughput_mbit=20),
                  row("loss", "5", 5, 1, Chance, throughput_mbit="", images_per_s="")])
    assert found.groups[0].throughput.mean == 20 and len(found.groups) == 1
    assert [(run.line, why.partition(":")[0]) for run, why in found.left_out] == \
        [(2, "run again"), (4, "did not finish")]


def test_notes_warn_of_unlike_runs_a_late_emulator_and_wrong_sums():
    found = read([clean(kernel="synthetic 1", link_lateness_p99_ms=9), clean(repeat=2, throughput_mbit=1)])
    assert any("kernel is synthetic, synthetic 1" in note for note in found.notes), found.notes
    assert any("link emulator was part" in note and "9 ms" in note for note in found.notes), found.notes
    assert any("throughput_mbit is not" in note and "line 3" in note for note in found.notes), found.notes
    assert read([clean()]).notes == []


def test_congestion_control_is_to_be_alike_within_a_setting():
    bbr, cubic = clean(congestion_control="bbr"), row("delay", "500", 5, 1, Chance, congestion_control="cubic")
    assert read([bbr, cubic]).notes == [], "programs choose it by the way"
    both = row("delay", "500", 5, 2, Chance, congestion_control="bbr+cubic")
    notes = read([bbr, cubic, both]).notes
    assert len(notes) == 1 and "500 ms each way, 5 photos" in notes[0]
    assert "congestion control is bbr+cubic, cubic" in notes[0]


def test_runs_that_did_not_go_round_by_repeat_are_warned_of():
    def started(order):
        return [row(experiment, setting, 5, repeat, Chance, started=f"2001-01-01T00:0{minute}:00Z")
                for minute, (experiment, setting, repeat) in enumerate(order)]
    clean_1, clean_2, loss_1, loss_2 = (("workers", "3", 1), ("workers", "3", 2), ("loss", "5", 1), ("loss", "5", 2))
    assert read(started([clean_1, loss_1, clean_2, loss_2])).notes == []
    assert read(started([loss_1, clean_1, loss_2, clean_2])).notes == []
    notes = read(started([clean_1, clean_2, loss_1, loss_2])).notes
    assert len(notes) == 1 and "did not go round by repeat: between 1 of 2 runs" in notes[0]


def test_the_method_says_how_pairing_helps():
    said = " ".join(method.notes())
    for expected in ("repeat 1 of every setting, then repeat 2 of every setting", "a new manager and new connections",
                     "cancels slow drift of the machine", "independent but for that drift"):
        assert expected in said and expected in " ".join((REPORT.parent / "REPORT.md").read_text().split())


def test_r_at_bound_stands_beside_r_in_the_table_and_the_summary():
    # 22 s of 600 photos, and a round trip of 1 s: 22/23 even at the bound.
    found = read([clean(images=600, total_s=22, bound_s=22),
                  row("delay", "500", 600, 1, Chance, total_s=23.4, bound_s=23, throughput_mbit=10),
                  row("loss", "5", 600, 1, Chance, bound_s="")])
    group = found.group("delay", "500", 600)
    assert group.possible == pytest.approx(22 / 23)
    shown = html_tables.comparison(found, "delay", 600)
    assert "r at bound" in shown and f"<td>{group.r.r:.2f}</td><td>0.96</td><td>1.02 (1.02)</td>" in shown
    assert "<td>–</td><td>–</td></tr>" in html_tables.comparison(found, "loss", 600), "no bound, no r at it"
    assert "0.96 had it taken as long as its bound" in findings.headlines(found)[2].note
    line = dict(zip(summary.COLUMNS, summary.row(found.accounts[1], group)))
    assert line["setting"] == "500" and float(line["r_at_bound"]) == pytest.approx(22 / 23)


def test_runs_below_their_bound_are_warned_of():
    notes = read([clean(bound_s=1000)]).notes
    assert len(notes) == 1 and "1 run took less than the physical bound" in notes[0]


def test_verdicts_follow_the_figures():
    def delay_of(kept):
        slow = clean(images=600)["throughput_mbit"] * kept
        found = read([clean(images=600), row("delay", "500", 600, 1, Chance, throughput_mbit=slow)])
        return findings.headlines(found)[2]
    assert delay_of(0.96).met is True and delay_of(0.94).met is False
    assert findings.headlines(read([clean()]))[2].value == "not measured"
    assert findings.headlines(read([clean(), row("delay", "500", 5, 1, Chance)]))[2].met is None, \
        "5 photos are no steady state"


@pytest.mark.parametrize("control, met", [("bbr", False), ("cubic", True), ("", False), ("reno", False),
                                          ("bbr+cubic", False), ("cubic+reno", False), ("cubic+cubic", True)])
def test_the_target_at_loss_is_that_of_the_congestion_control(control, met):
    kept = clean(images=600)["throughput_mbit"] * 0.7
    found = read([clean(images=600), row("loss", "15", 600, 1, Chance, throughput_mbit=kept,
                                         congestion_control=control)])
    assert findings.headlines(found)[3].met is met


HEADER = ",".join(table.COLUMNS)


def line_of(**changes):
    values = clean(**changes)
    return ",".join(str(values[name]) for name in table.COLUMNS)


REFUSALS = [
    ("", "is empty"),
    (HEADER.replace("loss_percent", "loss") + "\n", "line 1: unknown column 'loss', no column 'loss_percent'"),
    (HEADER + ",seed\n", "column 'seed' twice"),
    (f"{HEADER}\n{line_of()}\n{line_of(repeat=2, total_s='fast')}\n", "line 3: total_s 'fast' is not a number"),
    (f"{HEADER}\n{line_of(total_s='nan')}\n", "line 2: total_s 'nan' is not from"),
    (f"{HEADER}\n{line_of(total_s='-1')}\n", "line 2: total_s '-1' is not from"),
    (f"{HEADER}\n{line_of(loss_percent='101')}\n", "loss_percent '101' is not from 0 to 100"),
    (f"{HEADER}\n{line_of(accepted='5.5')}\n", "accepted '5.5' is not a whole number"),
    (f"{HEADER}\n{line_of(accepted='1_0')}\n", "accepted '1_0' is not a whole number"),
    (f"{HEADER}\n{line_of(started='noon')}\n", "started 'noon' is not a time"),
    (f"{HEADER}\n{line_of(started='2001-01-01T00:00:00')}\n", "has no time zone"),
    (f"{HEADER}\n{line_of(experiment='speed')}\n", "experiment 'speed' is none of workers"),
    (f"{HEADER}\n{line_of(setting='')}\n", "line 2: setting is empty"),
    (f"{HEADER}\n{line_of(kernel='x' * 201)}\n", "kernel is longer than 200"),
    (f"{HEADER}\n{line_of(kernel=chr(27))}\n", "characters that cannot be shown"),
    (f"{HEADER}\n{line_of()},7\n", "has 41 fields, and there are 40 columns"),
    (f"{HEADER}\n\"{line_of()}\n", "line 2"),
]


@pytest.mark.parametrize("text, message", REFUSALS, ids=[message for _, message in REFUSALS])
def test_a_wrong_table_is_refused_by_line(text, message):
    with pytest.raises(table.BadTable) as refusal:
        table.parse(text)
    assert message in str(refusal.value)


def test_a_row_that_was_being_written_is_left_out_with_a_note():
    runs, notes = table.parse(f"{HEADER}\n{line_of()}\n{line_of(repeat=2)[:70]}")
    assert len(runs) == 1 and "line 3" in notes[0]


def test_a_bound_without_end_is_none():
    runs, _ = table.parse(f"{HEADER}\n{line_of(bound_s='inf')}\n")
    assert runs[0].bound_s is None


def test_failed_runs_are_read_whatever_they_say(tmp_path):
    path = tmp_path / "failed_runs.csv"
    assert table.read_failed(path) == ([], [])
    header = "experiment,setting,images,repeat,attempt,at,error\n"
    path.write_text(header + 'loss,15,5,1,2,2001-01-01,"a\x1b[31m\nb"\nloss,15\n')
    failures, notes = table.read_failed(path)
    assert [failure.error for failure in failures] == ["a [31m b", ""] and notes == []
    path.write_text(header + f"loss,15,5,1,2,2001-01-01,{'x' * 1000}\n")
    assert len(table.read_failed(path)[0][0].error) == table.MAX_ERROR
    path.write_text("experiment\nloss\n")
    failures, notes = table.read_failed(path)
    assert failures is None and "Which runs failed is not known" in notes[0]


def test_empty_fields_are_none_and_lines_are_kept():
    runs, _ = table.parse(f"{HEADER}\r\n{line_of(rtt_ms='')}\r\n")
    assert runs[0].rtt_ms is None and runs[0].delay_ms is None and runs[0].line == 2
    assert runs[0].started.isoformat() == "2001-01-01T01:00:00+00:00"


def test_markup_escapes_all_but_itself():
    assert element("p", "<b>", element("i", "&"), 5, title='"><script>') == \
        '<p title="&quot;&gt;&lt;script&gt;">&lt;b&gt;<i>&amp;</i>5</p>'
    assert isinstance(element("p"), Markup)


class Page(html.parser.HTMLParser):
    """A page's tags, texts and ids; fails on tags that do not close, but for those that have no end."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.references, self.tags, self.text = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            self.ids += [value] if name == "id" else []
            self.references += [value] if name in ("href", "src", "xlink:href") else []
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page_of(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.ids) == len(set(page.ids)), "an id is there once"
    assert all(reference.startswith("#") for reference in page.references), "nothing from elsewhere"
    assert {reference[1:] for reference in page.references} <= set(page.ids)
    assert "script" not in page.tags and "link" not in page.tags
    assert not re.search(r"url\((?!#)|@import", text)
    return page


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report of two experiments and a combination: every kind of plot."""
    settings = {"workers": ["3", "1"], "loss": ["15"], "combined": ["delay=100,loss=5"]}
    folder = write(tmp_path_factory.mktemp("results"), rows(settings, repeats=3))
    result = report(folder)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(folder / "report.html")
    return folder


@needs_matplotlib
def test_the_page_holds_itself_and_every_plot(made):
    page = page_of(made)
    names = {f"{of}-{kind}" for of, kinds in (
        ("workers-5", ("line", "box", "scaling", "bound")), ("loss-5", ("line", "box", "relative", "bound")),
        ("combined-5", ("line", "box", "relative", "bound"))) for kind in kinds}
    assert {path.name for path in (made / "plots").iterdir()} == \
        {f"{name}.{kind}" for name in names for kind in ("svg", "png")}
    assert page.tags.count("svg") == len(names)
    text = " ".join(page.text)
    for expected in ("course project, 5 photos", "16.29 ± 1.16", "0.18 (0.17 to 0.20)", "target met", "± 0.016",
                     "With 15 % of the packets lost", "balanced", "100 ms each way, 5 % lost"):
        assert expected in text, expected


@needs_matplotlib
def test_the_same_runs_make_the_same_bytes(made, tmp_path):
    assert report(made, "--out", tmp_path / "again").returncode == 0
    for path in ["report.html", "summary.csv", *(f"plots/{path.name}" for path in (made / "plots").iterdir())]:
        assert (made / path).read_bytes() == (tmp_path / "again" / path).read_bytes(), path


@needs_matplotlib
def test_an_interval_far_above_the_values_is_cut_and_said(tmp_path):
    folder = write(tmp_path, [clean(throughput_mbit=10), clean(repeat=2, throughput_mbit=40)])
    assert report(folder).returncode == 0
    assert "intervals cut at the edge" in (folder / "plots" / "workers-5-line.svg").read_text()


@needs_matplotlib
def test_plots_are_svg_with_text_that_can_be_read(made):
    root = ElementTree.parse(made / "plots" / "loss-5-relative.svg").getroot()
    texts = " ".join(element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text"))
    for expected in ("Throughput kept: loss on all links", "packets lost on every link", "imgrec", "0.18", "clean"):
        assert expected in texts, expected
    assert (made / "plots" / "loss-5-relative.png").read_bytes().startswith(b"\x89PNG")


@needs_matplotlib
def test_summary_has_the_figures_of_a_hand_count(made):
    with open(made / "summary.csv", newline="", encoding="utf-8") as file:
        found = {(line["experiment"], line["setting"], line["images"]): line for line in csv.DictReader(file)}
    assert len(found) == 4
    with open(made / "runs.csv", newline="", encoding="utf-8") as file:
        runs = [one for one in csv.DictReader(file) if (one["experiment"], one["images"]) == ("loss", "5")]
    values = sorted(float(one["throughput_mbit"]) for one in runs)
    line = found["loss", "15", "5"]
    assert list(line) == summary.COLUMNS and line["n"] == "3" and line["ledger"] == "balanced"
    assert float(line["throughput_mbit_mean"]) == pytest.approx(sum(values) / 3)
    assert [float(line[f"throughput_mbit_{part}"]) for part in ("min", "median", "max")] == pytest.approx(values)
    assert float(line["throughput_mbit_q1"]) == pytest.approx((values[0] + values[1]) / 2)
    assert float(line["r_t95_low"]) < float(line["r"]) < float(line["r_t95_high"])
    worst = max(float(one["total_s"]) / float(one["bound_s"]) for one in runs)
    assert float(line["over_bound_worst"]) == pytest.approx(worst)


@needs_matplotlib
def test_what_comes_from_files_is_text(tmp_path):
    attack = "<img src=x onerror=alert(1)>$\\frac$"
    table_rows = [clean(git_revision=attack), clean(repeat=2, congestion_control=attack, model_digest="&amp;"),
                  row("loss", "15", 5, 1, Chance, setting=attack)]
    folder = write(tmp_path, table_rows, plan={attack: [attack, {"x": attack}]}, environment=[attack])
    result = report(folder)
    assert result.returncode == 0, result.stderr
    page = page_of(folder)
    assert "img" not in page.tags
    text = "".join(page.text)
    assert text.count(attack) > 8 and "&amp;" in text


@needs_matplotlib
@pytest.mark.parametrize("table_rows", [
    pytest.param([clean()], id="one run"),
    pytest.param([row("delay", "500", 600, 1, Chance)], id="no clean run"),
    pytest.param([clean(bound_s="", worker_up_s="", rtt_ms="", wire_bits_out="", image_bytes="")], id="few columns"),
    pytest.param([clean(), row("loss", "15", 5, 1, Chance, total_s="", throughput_mbit="")], id="one unfinished"),
    pytest.param([clean(total_s="", throughput_mbit="", images_per_s="")], id="none finished")])
def test_partial_data_makes_a_report_that_says_so(tmp_path, table_rows):
    folder = write(tmp_path, table_rows)
    (folder / "failed_runs.csv").write_text("experiment,setting,images,repeat,attempt,at,error\n"
                                            "workers,3,5,1,1,2001-01-01,synthetic <trouble>\n")
    (folder / "plan.json").unlink()
    (folder / "environment.json").write_text("{")
    result = report(folder)
    assert result.returncode == 0, result.stderr
    text = " ".join(page_of(folder).text)
    for expected in ("not measured", "Not recorded.", "cannot be read", "synthetic <trouble>"):
        assert expected in text, expected


def test_wrong_data_and_a_missing_folder_are_refused_with_the_line(tmp_path):
    folder = write(tmp_path, [clean(), clean(repeat=2, images_per_s="many")])
    result = report(folder)
    assert result.returncode == 1 and "runs.csv, line 3: images_per_s 'many'" in result.stderr
    assert "Traceback" not in result.stderr and not (folder / "report.html").exists()
    result = report(tmp_path / "nowhere")
    assert result.returncode == 1 and "cannot be read" in result.stderr and "Traceback" not in result.stderr


def test_without_matplotlib_the_rest_is_made_and_the_exit_code_says_so(tmp_path):
    """As on an experimenter's machine; -S hides Debian's packages, and what Debian's Python has."""
    folder = write(tmp_path / "results", rows({"workers": ["3", "1"]}, repeats=2))
    result = subprocess.run([DEBIAN_PYTHON, "-S", REPORT, folder], capture_output=True, text=True, timeout=60)
    assert result.returncode == 3 and "apt-get install python3-matplotlib" in result.stderr
    assert "svg" not in page_of(folder).tags and (folder / "summary.csv").exists()


def test_inline_plots_follow_the_page_and_have_ids_of_their_own():
    class Plot:
        name, title = "loss-5-line", 'a "title"'
        svg = ('<?xml version="1.0"?><!DOCTYPE svg><svg width="9pt" viewBox="0 0 9 9"><metadata>x</metadata>'
               '<!-- note --><g id="unused"><path id="p1" style="fill: #0072b2"/><use href="#p1"/>'
               '<g clip-path="url(#p1)"/></g></svg>')
    assert inline_svg(Plot) == (
        '<svg role="img" aria-label="a &quot;title&quot;" viewBox="0 0 9 9">'
        '<g><path id="loss-5-line-p1" style="fill: var(--ours)"/><use href="#loss-5-line-p1"/>'
        '<g clip-path="url(#loss-5-line-p1)"/></g></svg>')


def test_plan_and_environment_are_bounded(tmp_path):
    import report as entry
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"many": [{"x": number} for number in range(1000)]}))
    assert len(entry.facts(path)) == entry.MAX_FACTS + 1
    path.write_text("[" * 100_000)
    assert "cannot be read" in entry.facts(path)[0][1]
    path.write_text('"' + "x" * (entry.MAX_JSON_BYTES + 1) + '"')
    assert "larger than 1 MiB" in entry.facts(path)[0][1]
