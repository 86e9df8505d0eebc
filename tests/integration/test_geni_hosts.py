"""The scripts of geni/, run for real: one manager and three workers on machines of their own, each
with its own systemd and sshd, each worker on its own link (ci/geni_smoke.sh raises them).

The tests build on one another, in the order of the file, as an experimenter's day would.
"""
import concurrent.futures
import contextlib
import csv
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest
from cluster import BIN_DIR, REPO, wait_until
from pictures import png, shared_dir

GENI = REPO / "geni"
PACKAGE = os.environ.get("IMGREC_GENI_PACKAGE", "")
IN_ROOT = bool(os.environ.get("IMGREC_GENI_IN_ROOT"))
LAB = pathlib.Path(os.environ.get("IMGREC_LAB", "/nonexistent"))
HOSTS, SSH_CONFIG = LAB / "hosts.yaml", LAB / "ssh_config"
TOKEN = LAB / "join-token"
WORKERS = [f"worker-{i}" for i in (1, 2, 3)]
ALL = [("manager", "manager"), *((name, "worker") for name in WORKERS)]  # (machine, its service)
BUNDLED = REPO / "models" / "cifar10-inception"
INSTALL_S = 1500  # a worker from nothing, its packages included, on a busy machine

# Removing imgrec removes that Debian 12 too, which takes minutes to make again.
not_in_root = pytest.mark.skipif(IN_ROOT, reason="installs from nothing again and again")
pytestmark = pytest.mark.skipif(not PACKAGE or not LAB.is_dir(), reason="ci/geni_smoke.sh runs this")


class Done:
    """What a finished command said."""

    def __init__(self, done):
        self.code, self.said = done.returncode, done.stdout + done.stderr
        self.out = done.stdout


def run(*command, **keywords):
    keywords.setdefault("timeout", INSTALL_S)
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, **keywords)
    return Done(done)


def how():
    """What a variant of this test adds to each installation."""
    return ["--in-root"] if IN_ROOT else []


def cluster(verb, *arguments, hosts=HOSTS):
    options = ["--hosts", hosts, "--ssh-config", SSH_CONFIG]
    if verb == "up":
        options += ["--package", PACKAGE, "--token-file", TOKEN, *how()]
    return run(GENI / "cluster.sh", verb, *options, *arguments)


def host(verb, name, *arguments, geni=GENI, **keywords):
    options = ["--ssh-config", SSH_CONFIG]
    if verb.startswith("install"):
        options += ["--package", PACKAGE, "--token-file", TOKEN, *how()]
    return run(geni / "imgrec-host.sh", verb, name, *options, *arguments, **keywords)


def on(name, command):
    """What a command says on a machine; it must succeed. Its user may sudo."""
    done = run("ssh", "-F", SSH_CONFIG, "-o", "BatchMode=yes", name, command, timeout=120)
    assert done.code == 0, f"{name}: {command}\n{done.said}"
    return done.out.strip()


def show(name, unit, what):
    return on(name, f"systemctl show -p {what} --value imgrec-{unit}")


def words_of(name):
    """What the worker that runs now has logged."""
    start = show(name, "worker", "InvocationID")
    return on(name, f"sudo journalctl -q -o cat _SYSTEMD_INVOCATION_ID={start or 'none'}")


@contextlib.contextmanager
def website():
    """The manager's website, brought here as geni/cluster.sh says to."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tunnel = subprocess.Popen(["ssh", "-F", SSH_CONFIG, "-o", "BatchMode=yes", "-o",
                               "ExitOnForwardFailure=yes", "-N", "-L", f"127.0.0.1:{port}:127.0.0.1:8080", "manager"])
    try:
        def answers():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        wait_until(answers, "the tunnel to the website", 30)
        yield f"http://127.0.0.1:{port}"
    finally:
        tunnel.terminate()
        tunnel.wait()


def get(path):
    with website() as url:
        done = run("curl", "-fsS", "--noproxy", "*", "--max-time", 20, url + path)
    assert done.code == 0, done.said
    return json.loads(done.out)


def classify(photos, *arguments):
    """[the server's object of each photo], in the photos' order, by the command line client."""
    with website() as url:
        done = run(BIN_DIR / "imgrec", "classify", "--server", url, "--json", "--quiet", *arguments, *photos)
    assert done.code == 0, done.said
    return [photo["image"] for photo in json.loads(done.out)]


@pytest.fixture(scope="module")
def some_photos(tmp_path_factory):
    """A dozen photos: real ones, or where there are none, pictures made here."""
    real = sorted((shared_dir() / "data" / "photos").glob("*.JPEG"))[::8][:12]
    if real:
        return real
    folder = tmp_path_factory.mktemp("photos")
    for n in range(12):
        (folder / f"{n}.png").write_bytes(png(n, 64, 64))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module", autouse=True)
def installed():
    """All machines, brought up from nothing: what every test here begins with."""
    start = time.monotonic()
    done = cluster("up")
    print(f"\n{done.said}\nup took {time.monotonic() - start:.0f} s")
    assert done.code == 0
    assert "3 of 3 workers ready" in done.said


def test_photos_are_recognised_as_this_machine_does(some_photos):
    model = run(BIN_DIR / "imgrec-model", "classify", "--json", "--model", BUNDLED, *some_photos)
    expected = [json.loads(line)["top"][0]["label"] for line in model.out.splitlines()]
    answers = classify(some_photos)
    assert [a["state"] for a in answers] == ["done"] * len(some_photos)
    assert [a["top"][0]["label"] for a in answers] == expected


def test_each_worker_comes_over_its_own_link():
    found = on("manager", "sudo ss -Htn state established '( sport = :2888 )'")
    pairs = {tuple(a.rsplit(":", 1)[0].strip("[]").removeprefix("::ffff:") for a in line.split()[2:4])
             for line in found.splitlines()}
    assert pairs == {(f"10.10.{i}.1", f"10.10.{i}.2") for i in (1, 2, 3)}
    assert {w["name"] for w in get("/api/v1/cluster")["workers"]} == set(WORKERS)


def test_the_network_is_tuned_for_long_links():
    for name in ("manager", "worker-1"):
        assert on(name, "cat /etc/modules-load.d/imgrec.conf") == "tcp_bbr"
        wanted = dict(re.findall(r"^(\S+) = (\S+)$", on(name, "cat /etc/sysctl.d/60-imgrec.conf"), re.M))
        assert wanted == {"net.ipv4.tcp_slow_start_after_idle": "0", "net.ipv4.tcp_no_metrics_save": "1"}
        # The lab's machines have /proc/sys read-only (systemd-nspawn), and do without.
        if on(name, "sudo test -w /proc/sys/net/ipv4/tcp_no_metrics_save && echo yes || true") == "yes":
            assert on(name, f"sudo sysctl -n {' '.join(wanted)}").split() == list(wanted.values())


def test_the_services_can_do_little_and_the_token_is_its_owners_alone():
    token = TOKEN.read_text()
    for name, unit in ALL:
        assert on(name, "sudo stat -c '%a %U' /etc/imgrec/join-token") == "600 root"
        files = f"/etc/imgrec/*.env /etc/systemd/system/imgrec-{unit}.service"
        assert token not in on(name, f"sudo cat {files}")
        pid = show(name, unit, "MainPID")
        status = on(name, f"sudo cat /proc/{pid}/status")
        assert re.search(r"^Uid:\t([1-9]\d*)\t", status, re.M), "it runs as nobody known"
        assert re.search(r"^CapBnd:\t0+$", status, re.M) and re.search(r"^NoNewPrivs:\t1$", status, re.M)
        assert token not in on(name, f"sudo cat /proc/{pid}/environ /proc/{pid}/cmdline | tr '\\0' ' '")
        score = float(re.search(r"exposure level for .*: ([\d.]+)",
                                on(name, f"systemd-analyze security --no-pager imgrec-{unit}"))[1])
        assert score < 2.5, f"systemd-analyze security: {score}"
    assert TOKEN.stat().st_mode & 0o077 == 0


def test_the_manager_turns_away_workers_without_its_token(tmp_path):
    """Whoever reaches the manager's machine reaches its worker port: here, by its control address."""
    token, log = tmp_path / "token", tmp_path / "log"
    token.write_text("y" * 64)
    stranger = [BIN_DIR / "imgrec-worker", "--manager", "10.9.1.1:2888", "--model", BUNDLED, "--name", "stranger"]
    done = run(*stranger, timeout=120)
    assert done.code == 3 and "code=token" in done.said, done.said
    with open(log, "w") as file:
        process = subprocess.Popen([*map(str, stranger), "--worker-token-file", str(token)],
                                   stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        wait_until(lambda: "join token is not this worker's" in log.read_text(), "the worker to be refused", 120)
    finally:
        process.kill()
        process.wait()
    assert {w["name"] for w in get("/api/v1/cluster")["workers"]} == set(WORKERS)


def test_a_website_that_is_open_to_others_can_ask_for_an_access_token(tmp_path):
    access = tmp_path / "access"
    access.write_text("z" * 40 + "\n")
    access.chmod(0o600)
    public = ["install-manager", "manager", "--listen", "0.0.0.0"]
    done = host(*public, "--access-token-file", access)
    assert done.code == 0 and "open to everybody" not in done.said, done.said
    ask = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*",
           "http://10.9.1.1:8080/api/v1/cluster"]
    assert run(*ask).out == "401"
    assert run(*ask, "-H", f"Authorization: Bearer {'z' * 40}").out == "200"
    files = "/etc/imgrec/access-token /etc/imgrec/manager.env"
    assert on("manager", f"sudo stat -c '%a %U' {files}") == "600 root\n600 root"
    pid = show("manager", "manager", "MainPID")
    assert "z" * 40 not in on("manager", f"sudo cat /proc/{pid}/environ /proc/{pid}/cmdline | tr '\\0' ' '")
    assert "workers ready=" in host("status", "manager").said
    access.write_text("short")
    done = host(*public, "--access-token-file", access)
    assert done.code == 1 and "does not take these settings" in done.said, done.said
    assert host("restart", "manager").code == 0, "what was refused is not there"
    done = host(*public)
    assert done.code == 0 and "open to everybody" in done.said and run(*ask).out == "200", done.said
    assert on("manager", "sudo ls /etc/imgrec") == "join-token\nmanager.applied\nmanager.env"
    assert host("install-manager", "manager").code == 0
    wait_until(lambda: "workers ready=3" in host("status", "manager").said, "all workers to be there again")


def test_up_again_changes_nothing():
    starts = [show(name, unit, "InvocationID") for name, unit in ALL]
    done = cluster("up")
    assert done.code == 0, done.said
    assert done.said.count("runs already, with these settings") == 4
    assert "Installing" not in done.said and "Unpacking" not in done.said
    assert [show(name, unit, "InvocationID") for name, unit in ALL] == starts


def test_stop_and_start_lose_nothing(some_photos):
    ids = [a["id"] for a in classify(some_photos[:4], "--session", "a" * 32)]
    stopped = cluster("stop")
    assert stopped.code == 0, stopped.said
    for name, unit in (("manager", "manager"), ("worker-2", "worker")):
        assert show(name, unit, "ActiveState") == "inactive" and show(name, unit, "Result") == "success"
        assert show(name, unit, "ExecMainStatus") == "0", "it drained, and left by itself"
    said = cluster("status")
    assert said.code == 1 and said.said.count("inactive") == 4
    started = cluster("start")
    assert started.code == 0, started.said
    said = cluster("status")
    assert said.code == 0 and "workers ready=3" in said.said
    with website() as url:
        for image in ids:
            done = run("curl", "-fsS", "--noproxy", "*", "-H", "X-Session: " + "a" * 32,
                       f"{url}/api/v1/images/{image}")
            assert json.loads(done.out)["state"] == "done"


@pytest.mark.parametrize("name, unit", [("worker-1", "worker"), ("manager", "manager")])
def test_a_killed_process_is_started_again(name, unit, some_photos):
    before = int(show(name, unit, "NRestarts"))
    on(name, f"sudo kill -9 {show(name, unit, 'MainPID')}")
    wait_until(lambda: int(show(name, unit, "NRestarts")) > before, f"systemd to start {unit} again")
    wait_until(lambda: cluster("status").code == 0, "all workers to be there again")
    assert classify(some_photos[:1])[0]["state"] == "done"


def test_a_changed_setting_is_applied_and_a_wrong_one_refused():
    worker = ["install-worker", "worker-1", "--manager", "10.10.1.1", "--name", "worker-1"]
    done = host(*worker, "--set", "IMGREC_WORKER_STREAMS=2", "--set", "IMGREC_WORKER_DRAIN=20s")
    assert done.code == 0 and "Starting imgrec-worker" in done.said, done.said
    assert "streams=2" in words_of("worker-1")
    assert show("worker-1", "worker", "TimeoutStopUSec") == "50s", "above the drain"
    start = show("worker-1", "worker", "InvocationID")
    for setting, word in (("IMGREC_WORKER_STREAMS=many", "does not take these settings"),
                          ("IMGREC_WORKER_STREAM=2", "no such setting (it would be --worker-stream;"),
                          ("PATH=/tmp", "not IMGREC_NAME=VALUE"),
                          ("IMGREC_WORKER_NAME=a b", "not IMGREC_NAME=VALUE")):
        done = host(*worker, "--set", setting)
        assert done.code == 1 and word in done.said, (setting, done.said)
    # What was refused does not disturb what runs; what is not given again is forgotten.
    assert show("worker-1", "worker", "InvocationID") == start
    assert host("restart", "worker-1").code == 0
    assert "streams=2" in words_of("worker-1"), "a start finds nothing of it either"
    assert host(*worker).code == 0
    assert "streams=1" in words_of("worker-1")


def test_another_model_is_copied_and_takes_the_place_of_the_old_one_without_a_stop(tmp_path, some_photos):
    model = tmp_path / "model"
    shutil.copytree(BUNDLED, model)
    card = model / "model.yaml"
    card.write_text(card.read_text().replace('name: "cifar10-inception"', 'name: "of-the-experiment"'))
    starts = {w: show(w, "worker", "InvocationID") for w in WORKERS}
    done = cluster("up", "--model", model)
    assert done.code == 0 and done.said.count("has the new model") == 3, done.said
    assert classify(some_photos[:1])[0]["model"] == "of-the-experiment"
    assert cluster("up").code == 0
    assert classify(some_photos[:1])[0]["model"] == "cifar10-inception"
    assert starts == {w: show(w, "worker", "InvocationID") for w in WORKERS}
    assert on("worker-1", "ls /opt/imgrec/models") == "current", "what is not used any more is removed"


def test_a_broken_model_leaves_the_old_one_at_work(tmp_path, some_photos):
    model = tmp_path / "model"
    shutil.copytree(BUNDLED, model)
    with open(model / "model.pt", "r+b") as file:
        file.truncate(1000)
    worker = ["install-worker", "worker-1", "--manager", "10.10.1.1", "--name", "worker-1"]
    done = host(*worker, "--model", model)
    assert done.code == 1 and "goes on with the old one" in done.said and "reload_failed" in done.said
    assert show("worker-1", "worker", "ActiveState") == "active"
    restarted = host("restart", "worker-1")
    assert restarted.code == 0, "a start finds the old one too: " + restarted.said
    again = host(*worker)
    assert again.code == 0 and "runs already" in again.said and "Changing" not in again.said, again.said
    assert classify(some_photos[:1])[0]["state"] == "done"


def test_logs_of_all_machines_come_to_a_folder(tmp_path):
    done = cluster("logs", tmp_path / "logs")
    assert done.code == 0, done.said
    assert "worker_registered" in (tmp_path / "logs/worker-3/imgrec-worker.log").read_text()
    assert "imgrec-manager" in (tmp_path / "logs/manager/imgrec-manager.log").read_text()
    for name in ["manager", *WORKERS]:
        files = {f.name for f in (tmp_path / "logs" / name).iterdir()}
        assert files == {"machine.txt", "setup.log", f"imgrec-{name.split('-')[0]}.log"}
        for file in (tmp_path / "logs" / name).iterdir():
            assert TOKEN.read_text() not in file.read_text(errors="replace")


# ---- interrupted -----------------------------------------------------------------------------------

STEPS = ["unpack_release", "configure", "link_model", "put", "apply", "model_is_applied", "install_role",
         "remove_old_releases"]


def break_points(script):
    """The lines of a script after which an installation may be cut off: each whole statement of the
    functions that change the host."""
    lines, inside, found = (GENI / "remote" / script).read_text().splitlines(), False, []
    for i, line in enumerate(lines):
        if re.match(r"[a-z_]+\(\) \{(  #.*)?$", line):
            inside = line.split("(")[0] in STEPS
        statement = inside and re.match(r"  [^ }#]", line) and not re.search(r"(\\|\||&&|then|;)$", line)
        if statement and not re.match(r"  (local|\[|if|elif|else|fi|for|done|say|case|esac)\b", line):
            found.append((script, i))
    return found


def cut_off_after(script, i):
    lines = (GENI / "remote" / script).read_text().splitlines()
    return "\n".join([*lines[:i + 1], "  kill -9 $$", *lines[i + 1:]]) + "\n"


def install_cut_off(name, points, folder):
    """Installs a worker with scripts that are killed at one point after the other, each time on what
    the last one left; in the end with the real ones."""
    geni = folder / name
    shutil.copytree(GENI, geni, ignore=shutil.ignore_patterns("lab", "__pycache__"))
    arguments = ["--manager", f"10.10.{name[-1]}.1", "--name", name]
    for script, i in points:
        (geni / "remote" / script).write_text(cut_off_after(script, i))
        done = host("install-worker", name, *arguments, geni=geni)
        assert done.code in (0, 1), (script, i + 1, done.said)
        shutil.copy(GENI / "remote" / script, geni / "remote")
    done = host("install-worker", name, *arguments)
    assert done.code == 0 and "imgrec-worker is ready" in done.said, done.said
    half_done = "/opt/imgrec/*/*.partial /opt/imgrec/models/new /etc/imgrec/*.new"
    return on(name, f"ls -d {half_done} 2>/dev/null || true")


@not_in_root
def test_experiments_of_workers_and_failure_leave_everything_as_it_was(tmp_path, some_photos):
    """geni/experiments/run.sh on hosts. This kernel may have no netem: then delay is left out by name."""
    folder, out = tmp_path / "photos", tmp_path / "results"
    folder.mkdir()
    for photo in some_photos[:4]:
        shutil.copy(photo, folder)
    done = run(GENI / "experiments" / "run.sh", "--on", HOSTS, "--ssh-config", SSH_CONFIG, "--package", PACKAGE,
               "--token-file", TOKEN, "--setting", "workers=1,failure=0.5,delay=50", "--repeat", 1, "--images", 8,
               "--photos", folder, "--out", out)
    with open(out / "runs.csv", newline="") as file:
        rows = {row["experiment"] + row["setting"]: row for row in csv.DictReader(file)}
    without_links = "delay 50 is left out: links cannot be given delay and loss" in done.said
    assert done.code == (1 if without_links else 0), done.said
    assert rows.keys() == {"workers3", "workers1", "failure0.5"} | (set() if without_links else {"delay50"}), done.said
    for row in rows.values():
        assert row["done"] == row["accepted"] == "8" and row["label_mismatches"] == row["doubled"] == "0", row
        assert int(row["wire_bits_out"]) > 8 * int(row["image_bytes"]) and row["cpu_share"] == "", row
    assert float(rows["workers1"]["worker_up_s"]) == pytest.approx(float(rows["workers1"]["total_s"]), rel=0.1)
    wait_until(lambda: (said := cluster("status")).code == 0 and "workers ready=3" in said.said,
               "all three workers to be back", 60)
    assert "IMGREC_WORKER_FAIL_PROBABILITY" not in show("worker-1", "worker", "Environment")
    assert on("manager", "ls -d /var/tmp/imgrec-experiments-* 2>/dev/null || true") == ""


@not_in_root
def test_an_installation_goes_on_wherever_it_was_cut_off(tmp_path):
    points = break_points("software.sh") + break_points("setup.sh")
    assert len(points) >= 25
    if os.environ.get("IMGREC_GENI_THOROUGH") != "1":
        points = points[::5]  # each is an installation of its own
    print(f"\ncut off at {len(points)} points")
    for name in WORKERS:
        assert host("uninstall", name).code == 0
    with concurrent.futures.ThreadPoolExecutor() as pool:
        left = list(pool.map(lambda i: install_cut_off(WORKERS[i], points[i::3], tmp_path), range(3)))
    assert left == ["", "", ""]
    assert cluster("status").code == 0


@not_in_root
def test_a_broken_connection_leaves_nothing_that_is_in_the_way(tmp_path):
    assert host("uninstall", "worker-2").code == 0
    for seconds in (0.2, 0.5, 1.0, 1.5):
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(["timeout", "--signal=KILL", str(seconds), GENI / "imgrec-host.sh", "install-worker",
                            "worker-2", "--manager", "10.10.2.1", "--name", "worker-2", "--package", PACKAGE,
                            "--token-file", TOKEN, "--ssh-config", SSH_CONFIG, *how()],
                           stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    done = host("install-worker", "worker-2", "--manager", "10.10.2.1", "--name", "worker-2")
    assert done.code == 0, done.said
    assert show("worker-2", "worker", "ActiveState") == "active"


# ---- what is wrong is said -------------------------------------------------------------------------

def test_a_host_that_cannot_be_reached():
    done = host("status", "10.9.77.77")
    assert done.code == 3 and "cannot be reached by ssh" in done.said


def test_a_host_where_we_may_not_sudo():
    done = host("install-manager", "plain@manager")
    assert done.code == 3 and "may not sudo there without a password" in done.said


def test_another_system():
    on("worker-3", "printf 'ID=fedora\\nVERSION_ID=40\\n' >/tmp/os; "
                   "sudo mount --bind /tmp/os /etc/os-release")
    try:
        done = host("install-worker", "worker-3", "--manager", "10.10.3.1")
    finally:
        on("worker-3", "sudo umount /etc/os-release")
    assert done.code == 3 and '"fedora 40"' in done.said and "Debian 11 to 13" in done.said


@not_in_root
def test_a_full_disk():
    assert host("uninstall", "worker-3").code == 0
    on("worker-3", "sudo mkdir -p /opt/imgrec && sudo mount -t tmpfs -o size=8m none /opt/imgrec")
    try:
        done = host("install-worker", "worker-3", "--manager", "10.10.3.1", "--name", "worker-3")
    finally:
        on("worker-3", "sudo umount /opt/imgrec")
    assert done.code == 3 and "disk is too full" in done.said and "/opt/imgrec has" in done.said
    done = host("install-worker", "worker-3", "--manager", "10.10.3.1", "--name", "worker-3")
    assert done.code == 0, done.said


def test_a_port_that_somebody_else_has():
    assert host("stop", "manager").code == 0
    on("manager", "sudo /usr/sbin/sshd -p 2888 -o PidFile=/run/other.pid")
    try:
        done = host("install-manager", "manager")
    finally:
        on("manager", "sudo kill $(cat /run/other.pid)")
    assert done.code == 3 and "Port 2888, for workers, is in use" in done.said and "sshd" in done.said
    assert host("start", "manager").code == 0


def test_a_token_that_others_can_read_and_files_that_are_not_there(tmp_path):
    loose = tmp_path / "token"
    loose.write_text("x" * 64)
    loose.chmod(0o644)
    done = host("install-manager", "manager", "--token-file", loose)
    assert done.code == 3 and "can be read by others" in done.said
    done = host("install-manager", "manager", "--package", tmp_path / "none.tar.gz")
    assert done.code == 3 and "geni/pack.sh" in done.said
    done = host("install-worker", "worker-1", "--manager", "10.10.1.1", "--model", tmp_path)
    assert done.code == 3 and "no model folder" in done.said
    (tmp_path / "bad.tar.gz").write_bytes(b"no package")
    done = host("install-manager", "manager", "--package", tmp_path / "bad.tar.gz")
    assert done.code == 1 and "damaged" in done.said


def test_a_worker_whose_manager_has_another_token(tmp_path):
    other = tmp_path / "token"
    other.write_text("y" * 64)
    other.chmod(0o600)
    setup = GENI / "remote/setup.sh"
    geni = tmp_path / "geni"
    shutil.copytree(GENI, geni, ignore=shutil.ignore_patterns("lab", "__pycache__"))
    (geni / "remote/setup.sh").write_text(setup.read_text().replace("READY_S=90", "READY_S=5"))
    done = host("install-worker", "worker-1", "--manager", "10.10.1.1", "--name", "worker-1",
                "--token-file", other, geni=geni)
    assert done.code == 1 and ("has not taken it" in done.said or "does not come up" in done.said), done.said
    assert host("install-worker", "worker-1", "--manager", "10.10.1.1", "--name", "worker-1").code == 0


# ---- the end ---------------------------------------------------------------------------------------

def test_down_leaves_photos_and_purge_does_not():
    assert cluster("down").code == 0
    for name in ["manager", *WORKERS]:
        ours = "/opt/imgrec /etc/imgrec /etc/systemd/system/imgrec-* /etc/*/*imgrec.conf"
        assert on(name, f"ls -d {ours} 2>/dev/null || true") == ""
    assert "imgrec" in on("manager", "sudo ls /var/lib/private")
    said = cluster("status")
    assert said.code == 1 and "not installed" in said.said
    assert cluster("down", "--purge").code == 0
    assert on("manager", "sudo ls /var/lib/private") == ""
