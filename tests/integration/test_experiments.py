"""geni/experiments/run.sh, for real and shortened: a clean setting and one of each experiment, two runs of five
photos. It checks that the pipeline works, not its figures: those want a quiet machine.

GoogLeNet and photos where IMGREC_MODEL and IMGREC_SHARED have them; else the bundled model and pictures made here.
"""
import csv
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest
from cluster import BIN_DIR, REPO, wait_until
from pictures import png, shared_dir

RUN = REPO / "geni" / "experiments" / "run.sh"
REPEATS, IMAGES = 2, 5
SETTINGS = [("workers", "3"), ("workers", "1"), ("failure", "0.5"), ("delay", "100"), ("loss", "5"),
            ("combined", "workers=2,delay=20,loss=1")]
PHOTOS = 10  # every one of them is recognised some times before the runs
WHOLE_S = 400
SHARE = 0.6  # of a core, for each of three workers: they load their models in half the time that the usual quarter takes


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """(model folder, photos' folder)."""
    folder = tmp_path_factory.mktemp("photos")
    photos = sorted((shared_dir() / "data" / "photos").glob("*.JPEG"))[:PHOTOS]
    model = os.environ.get("IMGREC_MODEL")
    if model and len(photos) == PHOTOS:
        for photo in photos:
            shutil.copy(photo, folder)
    else:
        model = REPO / "models" / "cifar10-inception"
        for number in range(PHOTOS):
            (folder / f"{number:02}.png").write_bytes(png(number, 64 + number, 48))
    return model, folder


def command(material, out, *arguments):
    model, photos = material
    return [str(word) for word in (RUN, "--on", "local", "--model", model, "--photos", photos, "--bin-dir", BIN_DIR,
                                   "--out", out, "--cpu-share", SHARE, *arguments)]


def run(words, timeout_s=WHOLE_S):
    return subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module", autouse=True)
def possible():
    done = run([RUN, "--on", "local", "--check"])
    if done.returncode == 3:
        pytest.skip(done.stderr.strip().removeprefix("run.sh: "))
    assert done.returncode == 0, done.stderr


def rows_of(folder):
    with open(folder / "runs.csv", newline="") as file:
        return list(csv.DictReader(file))


def left_behind(folder):
    """Processes that name the results' folder, and control groups of sessions that nobody runs."""
    processes = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "cmdline").read_bytes():
                processes.append(process.name)
        except OSError:
            continue
    groups = [group for group in pathlib.Path("/sys/fs/cgroup").rglob("imgrec-experiments-*")
              if not pathlib.Path(f"/proc/{group.name.rsplit('-', 1)[1]}").exists()]
    return processes + groups


@pytest.fixture(scope="module")
def results(material, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "here"
    chosen = ",".join(f"{experiment}={key}" for experiment, key in SETTINGS if experiment != "combined")
    begin = time.monotonic()
    done = run(command(material, out, "--repeat", REPEATS, "--setting", chosen, "--combine", SETTINGS[-1][1]))
    print(done.stdout)
    print(f"{time.monotonic() - begin:.0f} s in all")
    return done, out


def test_every_run_has_its_row_and_every_photo_its_label_once(results):
    done, out = results
    assert done.returncode == 0, done.stdout + done.stderr
    rows = rows_of(out)
    assert [(r["experiment"], r["setting"], r["repeat"]) for r in rows] == [
        (experiment, key, str(repeat)) for repeat in range(1, REPEATS + 1) for experiment, key in SETTINGS]
    for row in rows:
        assert row["accepted"] == row["done"] == row["images"] == str(IMAGES), row
        assert row["failed"] == row["open"] == row["doubled"] == row["label_mismatches"] == "0", row


def test_figures_are_of_the_right_kind(results):
    _, out = results
    by_setting = {(r["experiment"], r["setting"]): r for r in rows_of(out) if r["repeat"] == "2"}
    for row in by_setting.values():
        assert 0 < float(row["compute_s"]) and 0 < float(row["bound_s"]) and 0 < float(row["total_s"]), row
        assert float(row["throughput_mbit"]) == pytest.approx(
            int(row["image_bytes"]) * 8 / float(row["total_s"]) / 1e6, rel=1e-3)
        assert int(row["wire_bits_out"]) > 8 * int(row["image_bytes"]), "all photos cross the links"
        assert 0 < int(row["wire_bits_in"]) < int(row["wire_bits_out"])
        assert row["congestion_control"] and row["git_revision"] and len(row["model_digest"]) == 64, row
        if row["experiment"] != "failure":
            there = float(row["worker_up_s"]) / float(row["total_s"])
            assert there == pytest.approx(int(row["workers"]), rel=0.01), "no worker left"
    delayed = by_setting["delay", "100"]
    assert float(delayed["total_s"]) > float(delayed["bound_s"]) > 0.2 and float(delayed["rtt_ms"]) > 200
    assert by_setting["workers", "3"]["image_bytes"] == delayed["image_bytes"], "the same in every setting"
    assert by_setting["loss", "5"]["loss_percent"] == "5"


def test_what_measured_is_written_down(results):
    _, out = results
    environment = json.loads((out / "environment.json").read_text())
    assert environment["kernel"] and environment["programs"]["imgrec-link"]
    assert json.loads((out / "plan.json").read_text())["repeat"] == REPEATS
    assert {"link.log", "worker-1.log", "manager-1.log"} <= {f.name for f in (out / "logs").iterdir()}
    if (RUN.parent / "report.py").exists():
        for name in ("summary.csv", "report.html"):
            assert (out / name).stat().st_size > 0, name


def test_nothing_is_left_of_it(results):
    _, out = results
    assert not left_behind(out) and not (out / ".data").exists()


def test_a_finished_session_is_resumed_in_no_time_and_is_not_begun_again(results):
    _, out = results
    before = (out / "runs.csv").read_bytes()
    done = run([RUN, "--bin-dir", BIN_DIR, "--resume", out])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "are there already, 0 are left" in done.stdout
    assert (out / "runs.csv").read_bytes() == before
    changed = run([RUN, "--bin-dir", BIN_DIR, "--resume", out, "--repeat", "9"])
    assert changed.returncode == 2 and "--repeat was 2" in changed.stderr


def test_stopped_in_the_middle_it_leaves_nothing_but_whole_rows_and_goes_on(material, tmp_path):
    out = tmp_path / "stopped"
    # The small model: this is about signals.
    words = command((REPO / "models" / "cifar10-inception", material[1]), out, "--setting", "workers=1", "--repeat", 3)
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    wait_until(lambda: process.poll() is not None or (out / "runs.csv").exists() and rows_of(out), "a first row")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, said
    assert f"--resume {out}" in said
    assert not left_behind(out)
    there = rows_of(out)
    assert 1 <= len(there) < 6 and all(row["kernel"] for row in there)
    done = run([RUN, "--bin-dir", BIN_DIR, "--resume", out])
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows_of(out)[:len(there)] == there and len(rows_of(out)) == 6


def test_what_is_missing_is_named(material, tmp_path):
    done = run(command(material, tmp_path / "x", "--model", tmp_path))
    assert done.returncode == 3 and "is no model folder" in done.stderr
    done = run(command(material, tmp_path / "x", "--photos", tmp_path))
    assert done.returncode == 3 and "there are no photos" in done.stderr
    assert not (tmp_path / "x").exists()


def test_the_plan_can_be_looked_at():
    done = run([RUN, "--on", "local", "--dry-run"])
    assert done.returncode == 0 and "96 runs" in done.stdout
