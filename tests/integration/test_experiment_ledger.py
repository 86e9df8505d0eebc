"""What a report of experiments says of lost photos: nothing that broke the promise may look well. The runs
are made up (synthetic_runs.py)."""
import csv
import html
import re

import pytest

from synthetic_runs import Chance, clean, read, row

import findings
import html_report
import summary
import table

UNFINISHED = {"total_s": "", "throughput_mbit": "", "images_per_s": ""}


def failure(attempt=1, kind="trouble", setting="5", repeat=1, error="synthetic trouble"):
    return table.Failure("loss", setting, "5", str(repeat), str(attempt), "2001-01-01", error, kind)


def headline(found):
    return findings.headlines(found)[-1]


def page(found):
    """The page's sections as text, by id."""
    text = html_report.render(found, [], [], [])
    sections = re.findall(r'<section id="([a-z-]+)".*?</section>', text, re.DOTALL)
    parts = re.split(r'<section id="[a-z-]+"', text)[1:]
    return {name: html.unescape(re.sub(r"<[^>]+>", " ", part)) for name, part in zip(sections, parts)}


def alarmed(found):
    return '<div class="box bad"' in html_report.render(found, [], [], []).partition('<dl class="tiles"')[0]


def summary_of(found, path):
    summary.write(path, found)
    with open(path, newline="", encoding="utf-8") as file:
        return {(line["experiment"], line["setting"]): line for line in csv.DictReader(file)}


@pytest.mark.parametrize("changes, fault", [
    ({"done": 4}, "1 photo accepted are not"), ({"done": 4, "open": 1}, "1 photo still open"),
    ({"doubled": 2}, "2 photos shown more than once"), ({"label_mismatches": 1}, "1 photo labelled otherwise"),
    ({"accepted": 6, "done": 6}, "accepted twice"), ({"done": 3, "failed": 2}, "2 photos failed")])
def test_a_ledger_that_does_not_balance_is_said(changes, fault):
    found = read([clean(), clean(repeat=2, **changes)])
    assert fault in found.ledger.verdict and fault in found.groups[0].ledger.verdict
    assert findings.headlines(found)[-1].met is False


def test_one_runs_excess_does_not_make_up_for_anothers_loss():
    found = read([clean(repeat=1, done=4), clean(repeat=2, done=6)])
    assert "2 photos accepted are not" in found.ledger.verdict


def test_a_ledger_without_counts_is_not_called_balanced():
    found = read([clean(accepted="", done="", failed="", open="")])
    assert found.ledger.verdict == "not recorded" and findings.headlines(found)[-1].met is None


def test_where_all_is_well_there_is_no_alarm():
    found = read([clean(), row("loss", "5", 5, 1, Chance)])
    assert not alarmed(found) and (headline(found).value, headline(found).met) == ("balanced", True)
    assert "every label as one worker alone gave it" in headline(found).note
    assert "No attempt failed." in page(found)["left-out"]


def test_a_run_with_counts_and_no_time_is_a_violation_even_where_its_counts_add_up(tmp_path):
    found = read([clean(), row("loss", "5", 5, 1, Chance), row("loss", "5", 5, 2, Chance, **UNFINISHED)])
    assert headline(found).met is False and "1 run without all results in time" in headline(found).note
    assert alarmed(found) and "1 run without all results in time" in page(found)["summary"]
    assert found.group("loss", "5", 5).throughput.n == 1, "it is in no figure"
    assert re.search(r"5 % lost\s+5\s+2\s+10\s+10 .*does not balance", page(found)["ledger"]), page(found)["ledger"]
    assert "violation" in page(found)["left-out"]
    lines = summary_of(found, tmp_path / "summary.csv")
    assert "does not balance" in lines["loss", "5"]["ledger"] and lines["workers", "3"]["ledger"] == "balanced"


def test_a_setting_with_violations_only_is_in_the_ledger_and_the_summary(tmp_path):
    lost = row("loss", "5", 5, 1, Chance, **UNFINISHED, done=4, open=1)
    found = read([clean(), lost])
    assert found.group("loss", "5", 5) is None
    assert re.search(r"5 % lost\s+5\s+1\s+5\s+4 .*does not balance", page(found)["ledger"])
    line = summary_of(found, tmp_path / "summary.csv")["loss", "5"]
    assert list(line) == summary.COLUMNS and (line["n"], line["r"]) == ("0", "")
    assert "1 photo still open" in line["ledger"]


def test_a_violation_measured_again_still_is_one(tmp_path):
    found = read([clean(), row("loss", "5", 5, 1, Chance, **UNFINISHED, done=4, open=1),
                  row("loss", "5", 5, 1, Chance)])
    assert found.group("loss", "5", 5).throughput.n == 1 and headline(found).met is False and alarmed(found)
    assert "does not balance" in summary_of(found, tmp_path / "summary.csv")["loss", "5"]["ledger"]


def test_an_attempt_that_was_a_violation_raises_the_alarm_though_the_next_one_was_well():
    rows_ = [clean(), row("loss", "5", 5, 1, Chance)]
    assert headline(read(rows_, [failure()])).met is True, "trouble once is no violation"
    found = read(rows_, [failure(kind="violation", error="4 of 5 results")])
    assert headline(found).met is False and "1 attempt that lost photos" in headline(found).note and alarmed(found)
    assert "does not balance" in found.group("loss", "5", 5).ledger.verdict
    assert re.search(r"violation\s+4 of 5 results\s+measured", page(found)["left-out"])


def test_a_violation_that_has_a_row_is_counted_once():
    found = read([clean(), row("loss", "5", 5, 1, Chance, **UNFINISHED)], [failure(kind="violation")])
    assert found.ledger.faults == ["1 run without all results in time"]
    assert "in the ledger as a violation" in page(found)["left-out"]


def test_a_run_lost_in_every_try_raises_the_alarm(tmp_path):
    assert not alarmed(read([clean()], [failure()])), "it may still be tried again"
    found = read([clean()], [failure(), failure(2)])
    assert headline(found).met is False and headline(found).value == "not complete"
    assert "1 run lost in every try (5 % lost, 5 photos, repeat 1)" in headline(found).note
    assert alarmed(found) and "Runs are missing." in page(found)["ledger"]
    assert re.search(r"5 % lost\s+5\s+0 .*not recorded, and 1 run lost in every try", page(found)["ledger"])
    assert re.search(r"synthetic trouble\s+lost", page(found)["left-out"])
    assert "1 run lost in every try" in summary_of(found, tmp_path / "summary.csv")["loss", "5"]["ledger"]
    measured = read([clean(), row("loss", "5", 5, 1, Chance)], [failure(), failure(2)])
    assert not alarmed(measured), "a later session measured it"


def test_failed_runs_of_before_kind_are_read_and_their_lost_runs_found(tmp_path):
    path = tmp_path / "failed_runs.csv"
    path.write_text("experiment,setting,images,repeat,attempt,at,error\n"
                    "loss,5,5,1,1,2001-01-01,synthetic\nloss,5,5,1,2,2001-01-01,synthetic\n")
    failures, notes = table.read_failed(path)
    assert [one.kind for one in failures] == ["", ""] and notes == []
    assert alarmed(read([clean()], failures))
    path.write_text("experiment,setting,images,repeat,attempt,at,error,kind\nloss,5,5,1,1,2001-01-01,x,violation\n")
    assert table.read_failed(path)[0][0].kind == "violation"


def test_where_failures_cannot_be_read_nothing_is_said_of_them():
    found = read([clean()], None)
    assert headline(found).met is None and "of attempts that failed nothing is known" in headline(found).note
    assert "No attempt failed" not in page(found)["left-out"]


@pytest.mark.parametrize("column, said", [
    ("doubled", "whether any was shown twice is known of 1 of them"),
    ("label_mismatches", "labels were compared in 1 of them")])
def test_what_was_not_recorded_is_not_taken_for_nothing(column, said):
    found = read([clean(), clean(repeat=2, **{column: ""})])
    assert said in headline(found).note and headline(found).met is None
    assert "checked in 1 of 2 runs" in found.groups[0].ledger.verdict
    assert "0 (in 1 of the runs)" in page(found)["ledger"]


def test_counters_that_began_anew_are_not_recorded_with_a_note():
    found = read([clean(retransmissions=-5, wire_bits_out="-8e6", wire_bits_in=-8, resent=-1, duplicates_dropped=-1),
                  clean(repeat=2)])
    (run, _), notes = (found.runs, found.notes)
    assert run.retransmissions is run.wire_bits_out is run.wire_bits_in is run.resent is run.duplicates_dropped is None
    assert len(notes) == 1 and "5 figures below 0" in notes[0] and "line 2: resent -1" in notes[0]
    with pytest.raises(table.BadTable):
        read([clean(retransmissions="-inf")])
    with pytest.raises(table.BadTable):
        read([clean(doubled=-1)])


def test_a_ledger_that_began_anew_during_a_run_raises_the_alarm():
    found = read([clean(), clean(repeat=2, **UNFINISHED, accepted=-3, done=-3)])
    assert alarmed(found) and "1 run without counts" in headline(found).note
