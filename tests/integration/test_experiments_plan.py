"""The experiments' parts that measure nothing: plan, options, rows, bound, time left, who was there, hosts
file."""
import dataclasses
import datetime
import errno
import json
import math
import os
import pathlib
import sys
import tempfile

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "geni" / "experiments"))
import bound  # noqa: E402
import cpu_share  # noqa: E402
import experiments  # noqa: E402
import hosts  # noqa: E402
import made_pictures  # noqa: E402
import options  # noqa: E402
import plan  # noqa: E402
import presence  # noqa: E402
import progress  # noqa: E402
import rows  # noqa: E402

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
ALL = ["workers", "failure", "delay", "loss"]


# ---- plan ------------------------------------------------------------------------------------------

def test_the_published_plan_is_the_course_projects():
    made = plan.make_plan(ALL, [plan.PUBLISHED])
    assert [(s.workers, s.failure, s.delay_ms, s.loss_percent) for s in made.settings] == [
        (3, 0, 0, 0), (2, 0, 0, 0), (1, 0, 0, 0), (3, 0.5, 0, 0), (3, 0.3, 0, 0), (3, 0.1, 0, 0),
        (3, 0, 500, 0), (3, 0, 300, 0), (3, 0, 100, 0), (3, 0, 0, 5), (3, 0, 0, 10), (3, 0, 0, 15)]
    assert len(made.runs) == 12 * 8 and {run.images for run in made.runs} == {5}
    assert len({run.identity for run in made.runs}) == len(made.runs)


def test_runs_go_round_by_repeat():
    """Compared repeat by repeat, settings have the same hour in them."""
    made = plan.make_plan(["delay"], [plan.Series(5, 2), plan.Series(600, 1)], chosen=["500"])
    assert [(run.setting.key, run.images, run.repeat) for run in made.runs] == [
        ("3", 5, 1), ("500", 5, 1), ("3", 5, 2), ("500", 5, 2), ("3", 600, 1), ("500", 600, 1)]


def test_a_run_whose_workers_have_to_load_their_model_is_expected_to_take_longer():
    made = plan.make_plan(["failure", "delay"], [plan.Series(5, 2)], chosen=["failure=0.5", "delay=0"])
    clean, failing, unharmed, again, _, _ = plan.expected_s(made.runs, 0.1)
    assert clean == unharmed, "another worker-1 is started after the one that fails"
    assert again == pytest.approx(clean - plan.LOAD_S), "and stays"
    assert failing > clean


def test_the_clean_setting_comes_first_whatever_is_asked_for():
    made = plan.make_plan(["delay"], [plan.Series(600, 1)], chosen=["500"])
    assert [run.setting.name for run in made.runs] == ["workers 3", "delay 500"]


def test_settings_are_chosen_by_experiment():
    made = plan.make_plan([], [plan.PUBLISHED], chosen=["delay=500", "loss=1", "delay=20"])
    assert [s.name for s in made.settings] == ["workers 3", "delay 500", "delay 20", "loss 1"]
    made = plan.make_plan(["delay", "loss"], [plan.PUBLISHED], chosen=["loss=1"])
    assert [s.name for s in made.settings] == ["workers 3", "delay 500", "delay 300", "delay 100", "loss 1"]
    for only, chosen in ((["delay", "loss"], ["500"]), ([], ["500"]), (["delay"], ["loss=5"]), ([], ["speed=5"])):
        with pytest.raises(plan.BadPlan):
            plan.make_plan(only, [plan.PUBLISHED], chosen=chosen)


def test_combinations():
    setting = plan.parse_setting("combined", "workers=2, delay=100,loss=5")
    assert setting == plan.Setting("combined", "workers=2,delay=100,loss=5", 2, 0.0, 100, 5)
    made = plan.make_plan(["combined"], [plan.PUBLISHED])
    assert [s.key for s in made.settings[1:]] == list(plan.COMBINED)


@pytest.mark.parametrize("experiment, key", [
    ("combined", "delay=100,delay=200"), ("combined", "latency=1"), ("combined", "delay"), ("combined", ""),
    ("loss", "100"), ("loss", "nan"), ("failure", "1"), ("delay", "-1"), ("workers", "0"), ("workers", "1.5"),
    ("speed", "1")])
def test_what_is_no_setting_is_refused(experiment, key):
    with pytest.raises(plan.BadPlan):
        plan.parse_setting(experiment, key)


def test_the_same_repeat_sends_the_same_photos_and_another_one_others():
    first = plan.choose_photos(100, 5, seed=1, repeat=1)
    assert first == plan.choose_photos(100, 5, seed=1, repeat=1) and len(set(first)) == 5
    assert first != plan.choose_photos(100, 5, seed=1, repeat=2)
    assert first != plan.choose_photos(100, 5, seed=2, repeat=1)
    many = plan.choose_photos(100, 250, seed=1, repeat=1)
    assert sorted(many[:100]) == list(range(100)) and len(set(many[200:])) == 50


# ---- options ---------------------------------------------------------------------------------------

def parse(*words):
    return options.parse(list(words), NOW)


def test_defaults_are_the_published_set_in_a_folder_of_the_time():
    asked = parse("--on", "local")
    assert len(options.plan_of(asked).runs) == 96
    assert asked.out.endswith("build/experiments/20260102T030405Z") and not asked.resumed


def test_flags_for_programs_are_words():
    asked = parse("--on", "local", "--manager-flag=--log-level debug", "--manager-flag=--scheduler-hedge-percent=0")
    assert asked.manager_flags == ["--log-level", "debug", "--scheduler-hedge-percent=0"]


@pytest.mark.parametrize("words, said", [
    ([], "--on local"), (["--on", "local", "--only", "speed"], 'no experiment "speed"'),
    (["--on", "local", "--images", "0"], "1 to 1000000 photos"), (["--on", "local", "--rap"], "--rap"),
    (["--on", "local", "--cpu-share", "0"], "--cpu-share"), (["--on", "/nonexistent"], "cannot be read"),
    (["--on", "local", "--ssh-config", "x"], "--on HOSTS.yaml"), (["--resume", "/nonexistent"], "resumed"),
    (["--on", "local", "--congestion", "bbr; ls"], "is no name")])
def test_wrong_usage_is_told_in_words(words, said):
    with pytest.raises(options.Wrong, match=said):
        parse(*words)


def test_a_resumed_session_is_what_was_asked_for_and_may_not_change(tmp_path):
    first = parse("--on", "local", "--only", "delay", "--repeat", "2", "--seed", "7")
    (tmp_path / "plan.json").write_text(json.dumps(first.asked))
    again = parse("--resume", str(tmp_path))
    assert again.asked == first.asked and again.resumed and again.given == ["on", "only", "repeat", "seed"]
    assert again.asked and again.out == str(tmp_path)
    assert parse("--resume", str(tmp_path), "--repeat", "2").asked == first.asked
    for changed in (["--repeat", "3"], ["--only", "loss"], ["--seed", "8"], ["--rate", "1gbit"]):
        with pytest.raises(options.Wrong, match=f"{changed[0]} was"):
            parse("--resume", str(tmp_path), *changed)
    with pytest.raises(options.Wrong, match="leave --out away"):
        parse("--resume", str(tmp_path), "--out", "elsewhere")


def test_a_session_on_hosts_is_resumed_too(tmp_path):
    """Its plan names every default, also of what is for --on local."""
    file = tmp_path / "hosts.yaml"
    file.write_text(HOSTS + THIRD)
    first = parse("--on", str(file), "--repeat", "2")
    (tmp_path / "plan.json").write_text(json.dumps(first.asked))
    again = parse("--resume", str(tmp_path))
    assert again.asked == first.asked and again.given == ["on", "repeat"]
    again.package = again.token_file = again.ssh_config = None
    assert "--model" not in experiments.up_command(again), "nobody gave one: hosts keep theirs"
    with pytest.raises(options.Wrong, match="--bin-dir is for --on local"):
        parse("--resume", str(tmp_path), "--bin-dir", "x")


def test_without_photos_pictures_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(options, "REPO", tmp_path / "checkout")
    assert parse("--on", "local").photos == str(made_pictures.MADE_PICTURES)
    (tmp_path / "shared/data/photos").mkdir(parents=True)
    assert parse("--on", "local").photos == str(tmp_path / "shared/data/photos")
    assert "shared/data" not in options.parser().format_help()


def test_made_pictures_are_always_the_same_ones_and_no_small_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "MADE_PICTURES", tmp_path)
    asked = parse("--on", "local", "--photos", str(tmp_path))
    assert experiments.photos_reason(asked) is None
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == made_pictures.COUNT
    assert all(50_000 < len(data) < 200_000 and data.startswith(b"\x89PNG") for data in before.values())
    (tmp_path / "picture-03.png").unlink()
    assert experiments.photos_reason(asked) is None
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody's by way of sudo")
def test_what_sudo_builds_is_the_callers(monkeypatch):
    with tempfile.TemporaryDirectory() as folder:
        repo, nobody = pathlib.Path(folder), 65534
        os.chown(repo, nobody, nobody)
        (repo / "cmake").write_text('#!/bin/sh\nid -u >>build/made; echo "$HOME" >>build/made\n')
        (repo / "cmake").chmod(0o755)
        monkeypatch.setattr(experiments, "REPO", repo)
        monkeypatch.setenv("PATH", f"{repo}:{os.environ['PATH']}")
        monkeypatch.setenv("SUDO_UID", str(nobody))
        assert experiments.build(parse("--on", "local")) is None
        assert (repo / "build/made").read_text().split() == [str(nobody), "/nonexistent"] * 2
        assert {path.stat().st_uid for path in repo.rglob("build*")} == {nobody}
        assert {path.stat().st_uid for path in (repo / "build").iterdir()} == {nobody}


@pytest.mark.parametrize("rate, mbit", [("100mbit", 100), ("1.5Gbit", 1500), ("64kbit", 0.064), ("0", 0),
                                        ("fast", None), ("100", None), ("-1mbit", None)])
def test_rates(rate, mbit):
    assert options.mbit(rate) == (mbit if mbit is None else pytest.approx(mbit))


@pytest.mark.parametrize("cores, period", [(1, 5000), (0.25, 5000), (0.2, 5000), (0.125, 8000), (0.05, 20000)])
def test_a_quota_is_never_less_than_the_kernel_takes(cores, period):
    assert cpu_share.period_us(cores) == period


@pytest.mark.parametrize("cores, share", [(1, 0.125), (2, 0.25), (4, 0.5), (64, 1)])
def test_the_default_share_leaves_most_of_the_machine(cores, share):
    assert options.default_cpu_share(cores) == share


HOSTS = """# ours
manager: {ssh: ana@pc1, address: 10.10.1.1}
workers:
  - {ssh: ana@pc2, address: 10.10.1.2, manager_address: 10.10.1.1}
  - {ssh: ana@pc3, address: 10.10.2.2, manager_address: 10.10.2.1}
"""
THIRD = "  - {ssh: ana@pc4, address: 10.10.3.2, manager_address: 10.10.3.1}\n"


def test_what_is_for_one_machine_only_is_refused_for_hosts(tmp_path):
    file = tmp_path / "hosts.yaml"
    file.write_text(HOSTS)
    with pytest.raises(options.Wrong, match="names 2 workers"):
        parse("--on", str(file))
    file.write_text(HOSTS + THIRD)
    assert parse("--on", str(file)).cpu_share is None
    for flag in ("--rate=1gbit", "--bin-dir=x", "--manager-flag=--x", "--cpu-share=0.5"):
        with pytest.raises(options.Wrong, match=f"{flag.split('=')[0]} is for --on local"):
            parse("--on", str(file), flag)


# ---- rows ------------------------------------------------------------------------------------------

def test_rows_are_there_again_and_a_torn_one_is_not(tmp_path):
    path = tmp_path / "runs.csv"
    table = rows.Table(path)
    table.append({"experiment": "combined", "setting": "delay=1,loss=2", "images": 5, "repeat": 1,
                  "total_s": 1 / 3, "kernel": "a\nb"})
    table.close()
    whole = path.read_bytes()
    for torn in (b'workers,3,"half', b"workers"):
        path.write_bytes(whole + torn)
        table = rows.Table(path)
        assert [rows.identity_of(row) for row in table.rows] == [("combined", "delay=1,loss=2", 5, 1)]
        assert table.rows[0]["total_s"] == "0.333333" and table.rows[0]["bound_s"] == ""
        table.append({"experiment": "workers", "setting": "3", "images": 5, "repeat": 1})
        table.close()
        assert path.read_bytes().startswith(whole + b"workers,3,,,") and path.read_bytes().count(b"\n") == 3


@pytest.mark.parametrize("how", ["short", "full"])
def test_a_row_that_the_disk_did_not_take_leaves_nothing(tmp_path, monkeypatch, how):
    table = rows.Table(tmp_path / "runs.csv")
    row = {"experiment": "workers", "setting": "3", "images": 5, "repeat": 1}
    table.append(row)
    before = table.path.read_bytes()
    write = os.write

    def half(descriptor, data):
        taken = write(descriptor, data[:len(data) // 2])
        if how == "full":
            raise OSError(errno.ENOSPC, "full")
        return taken

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError):
        table.append({**row, "repeat": 2})
    assert table.path.read_bytes() == before
    monkeypatch.undo()
    table.append({**row, "repeat": 2})
    assert [r["repeat"] for r in rows.Table(table.path).rows] == ["1", "2"] == [r["repeat"] for r in table.rows]


def test_a_table_of_other_columns_is_not_continued(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(rows.BadTable):
        rows.Table(path)
    with pytest.raises(KeyError):
        rows.Table(tmp_path / "new.csv").append({"speed": 1})


# ---- bound -----------------------------------------------------------------------------------------

ALWAYS = [bound.FOREVER] * 3


@pytest.mark.parametrize("images, workers, photos_each", [(1, 3, 1), (3, 3, 1), (5, 3, 2), (5, 2, 3), (600, 3, 200)])
def test_photos_are_whole(images, workers, photos_each):
    assert bound.ideal_makespan([0.1] * images, ALWAYS[:workers]) == pytest.approx(0.1 * photos_each)


def test_who_left_computed_only_while_it_was_there():
    # One of two is there for two and a half photos, and comes back after five.
    stays = [bound.FOREVER, [(0, 2.5), (5, math.inf)]]
    for images, seconds in ((4, 2), (5, 3), (7, 5), (9, 6)):
        assert bound.ideal_makespan([1] * images, stays) == pytest.approx(seconds), images
    # Two halves of a photo are none.
    assert bound.ideal_makespan([1] * 3, [bound.FOREVER, [(0, 0.5)], [(0, 0.5)]]) == pytest.approx(3)
    # The one that comes late ends in between of the other's photos.
    assert bound.ideal_makespan([1, 1], [[(0.25, math.inf)], [(0, 0.5)]]) == pytest.approx(2.25)
    assert bound.ideal_makespan([1], [[(0, 0.5)]]) == bound.ideal_makespan([1], [[]]) == math.inf


@pytest.mark.parametrize("service_s, workers, least", [
    ([1, 2, 3, 4, 5], 3, 5), ([1, 1, 1, 1, 9], 3, 9), ([2, 2, 2, 3], 3, 4), ([3, 4, 4], 2, 7),
    ([4, 4, 4, 5, 5, 5], 3, 9)])
def test_no_order_of_photos_is_quicker_than_the_makespan(service_s, workers, least):
    """By the sum for all workers, the longest photo, or the shortest ones, as many as one worker has at least."""
    assert bound.ideal_makespan(service_s, ALWAYS[:workers]) == pytest.approx(least)


def test_a_share_of_cpu_that_was_saved_up_is_taken_off_for_each_worker():
    # Two photos on one worker; six on three.
    assert bound.ideal_makespan([0.1] * 2, ALWAYS[:1], 0.03) == pytest.approx(0.17)
    assert bound.ideal_makespan([0.1] * 6, ALWAYS, 0.03) == pytest.approx(0.17)
    assert bound.ideal_makespan([0.01], ALWAYS[:1], 0.03) == pytest.approx(0, abs=1e-6)
    assert bound.bound_s([100_000] * 5, [0.05] * 5, ALWAYS, 0, 1e6, 0, 0.03) == pytest.approx(4 / 3 + 0.02)
    # At a quarter of a core a period's quota is 1.25 ms, and two of them may follow each other: 2.5 ms of
    # work in 2.5 ms instead of 10.
    assert cpu_share.head_start_s(0.25) == pytest.approx(0.0075)
    assert cpu_share.head_start_s(1) == cpu_share.head_start_s(2) == 0


def test_photos_take_as_long_to_each_other_as_workers_report():
    found = bound.services({"a": [1, 3], "b": [4], "c": [6, 6, 6]}, images_per_s=0.5)
    assert found == pytest.approx({"a": 1, "b": 2, "c": 3}), "2 s on average"


def test_the_bound_is_a_round_trip_and_the_slower_of_links_and_workers():
    sizes = [100_000] * 5
    services = [0.05] * 5
    no_limit = bound.bound_s(sizes, services, ALWAYS, 1.0, 0, 0)
    assert no_limit == pytest.approx(1.0 + 0.1)
    # 100 000 bytes take 8 ms at 100 Mbit/s, 16 ms where half is lost.
    assert bound.bound_s(sizes, services, ALWAYS, 1.0, 100e6, 0) == pytest.approx(1.0 + 0.008 + 0.1)
    assert bound.bound_s(sizes, services, ALWAYS, 1.0, 100e6, 0.5) == pytest.approx(1.0 + 0.016 + 0.1)
    # At 1 Mbit/s the links are the limit: a third of 500 000 bytes, then a photo's service.
    assert bound.bound_s(sizes, services, ALWAYS, 0, 1e6, 0) == pytest.approx(4 / 3 + 0.05)


def test_the_quicker_measurement_of_a_worker_is_believed():
    assert bound.capacity(101, 10.0, 12.0) == 10
    assert bound.capacity(101, 12.0, 10.0) == 10.1


# ---- who was there ---------------------------------------------------------------------------------

LOG = """2026-01-01T00:00:00.000Z info imgrec-manager manager_ready http=x
2026-01-01T00:00:00.500Z info imgrec-manager worker_joined worker=9 name=worker-2
2026-01-01T00:00:01.000Z info imgrec-manager manager_ready http=x
2026-01-01T00:00:02.000Z info imgrec-manager worker_joined worker=1 name=worker-1
2026-01-01T00:00:02.000Z info imgrec-manager worker_joined worker=2 name=worker-2
2026-01-01T00:00:04.000Z info imgrec-manager worker_left worker=1 name=worker-1 reason="gone"
2026-01-01T00:00:06.500Z info imgrec-manager worker_joined worker=3 name=worker-1
2026-01-01T00:00:06.500Z info imgrec-manager worker_joined worker=4 name=stranger
"""


def test_stays_are_cut_to_the_run():
    begin = presence.seconds_of("2026-01-01T00:00:03.000")
    stays = presence.stays_of(LOG, ["worker-1", "worker-2"], begin, begin + 5)
    assert stays == {"worker-1": [(0, 1), (3.5, 5)], "worker-2": [(0, 5)]}
    assert presence.total(stays) == 7.5
    # What another manager knew is nothing.
    begin = presence.seconds_of("2026-01-01T00:00:00.000")
    assert presence.stays_of(LOG, ["worker-2"], begin, begin + 3) == {"worker-2": [(2, 3)]}


# ---- the rest --------------------------------------------------------------------------------------

def test_the_time_left_follows_what_the_work_really_takes():
    now = [0.0]
    left = progress.Progress([1, 1, 2], clock=lambda: now[0])
    assert left.left_s() == 4
    now[0] = 3
    left.done(0)
    assert left.left_s() == 9
    assert [progress.in_words(s) for s in (5, 65, 3700)] == ["5 s", "1 min 05 s", "1 h 01 min"]


@pytest.mark.parametrize("version", [1, 2])
def test_a_share_of_cpu_is_a_quota_of_20_ms(tmp_path, version):
    if version == 1:
        own, parent = "3:cpuset:/x\n1:cpu,cpuacct:/here\n0::/\n", tmp_path / "cpu,cpuacct" / "here"
    else:
        own, parent = "0::/here\n", tmp_path
    parent.mkdir(parents=True, exist_ok=True)
    (parent / "cgroup.procs").touch()
    (parent / "cgroup.controllers").write_text("cpu io\n")
    (parent / "cgroup.subtree_control").write_text("cpu\n")
    group = parent / "ours"
    group.mkdir()
    (group / "cgroup.subtree_control").write_text("")
    shares = cpu_share.CpuShares("ours", mount=tmp_path, own=own)
    command = shares.limited("worker-1", 0.45, ["true"])
    assert command[-2:] == [str(group / "worker-1"), "true"]
    written = {f.name: f.read_text().strip() for f in (group / "worker-1").iterdir()}
    if version == 1:
        assert written == {"cpu.cfs_period_us": "5000", "cpu.cfs_quota_us": "2250"}
    else:
        assert written == {"cpu.max": "2250 5000"}
        assert (group / "cgroup.subtree_control").read_text() == "+cpu"


def test_without_the_controller_there_are_no_shares(tmp_path):
    with pytest.raises(cpu_share.NoCpuShares):
        cpu_share.CpuShares("ours", mount=tmp_path, own="0::/\n")


def test_a_hosts_file_is_read_as_the_scripts_read_it(tmp_path):
    file = tmp_path / "hosts.yaml"
    file.write_text(HOSTS)
    found = hosts.read_hosts(file)
    assert found.manager == hosts.Machine("manager", "ana@pc1", "10.10.1.1")
    assert found.workers[1] == hosts.Machine("worker-2", "ana@pc3", "10.10.2.2", "10.10.2.1")
    for wrong in ("workers:\n", HOSTS + "more\n", HOSTS.replace("ana@pc1", "-oProxyCommand=x"),
                  HOSTS.replace(", address: 10.10.1.2", ""), HOSTS.split("workers:")[0]):
        file.write_text(wrong)
        with pytest.raises(hosts.BadHosts):
            hosts.read_hosts(file)
