"""The command line client against real managers and a bad network, and against a server that is
scripted."""
import collections
import csv
import fcntl
import io
import json
import os
import pathlib
import pty
import random
import re
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

import pytest

from cluster import FRONTEND, PATIENCE_S, REPORT, Client, Program, binary, wait_until
from gate import BLACK_HOLE, FLOW, HOLD, RST, Gate
from pictures import fake_class, png, pngs
from stub_server import SILENCE, Answer, StubServer, busy, problem

GOOD, SOME_FAILED, WRONG_USAGE, NO_SERVER, INTERRUPTED = 0, 1, 2, 3, 130
SESSION = "session-of-the-cli-tests"


class Cli:
    """One run of imgrec, its output in files so that nothing of it can block."""

    def __init__(self, directory, url, *arguments, env=None, stdin=None):
        directory = pathlib.Path(directory)
        self.out_path, self.err_path = directory / "cli.out", directory / "cli.err"
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                [binary("imgrec"), "classify", "--server", url, *map(str, arguments)],
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=out, stderr=err, env={**os.environ, **(env or {})})
        if stdin is not None:
            self.process.stdin.write(stdin)
            self.process.stdin.close()

    def wait(self, timeout_s=PATIENCE_S):
        try:
            self.code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"imgrec did not end in {timeout_s} s: {self.err()[-2000:]}")
        assert not REPORT.search(self.err()), self.err()
        return self

    def out(self):
        return self.out_path.read_bytes().decode()

    def err(self):
        return self.err_path.read_bytes().decode(errors="replace")

    def json(self):
        return json.loads(self.out())

    def csv(self):
        return list(csv.DictReader(io.StringIO(self.out(), newline="")))


@pytest.fixture
def run(tmp_path):
    """run(url, arguments…): a run that has ended."""
    def start(url, *arguments, timeout_s=PATIENCE_S, **keywords):
        return Cli(tmp_path, url, *arguments, **keywords).wait(timeout_s)

    return start


@pytest.fixture
def begin(tmp_path):
    """begin(url, arguments…): a run under way; killed at the end if it still is."""
    runs = []

    def start(url, *arguments, **keywords):
        runs.append(Cli(tmp_path, url, *arguments, **keywords))
        return runs[-1]

    yield start
    for each in runs:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


@pytest.fixture
def stub():
    server = StubServer()
    yield server
    server.close()


@pytest.fixture
def gate_to(request):
    """A function: a gate to a cluster's HTTP port, closed at the end."""
    gates = []

    def new(cluster, **keywords):
        host, port = cluster.http_address.rsplit(":", 1)
        gates.append(Gate((host, int(port)), **keywords))
        return gates[-1], f"http://{gates[-1].address}"

    yield new
    for gate in gates:
        gate.close()


def url_of(cluster):
    return f"http://{cluster.http_address}"


def write_photos(directory, count, first=0, size=16):
    """PNGs of their own content, named so that their order is that of their numbers."""
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(first, first + count):
        files.append(directory / f"{number:04}.png")
        files[-1].write_bytes(png(number, size, size))
    return files


def check_rows(rows, files):
    """Each file once, in order, recognised as what its own bytes are."""
    assert [row["path"] for row in rows] == [str(f) for f in files]
    for row, file in zip(rows, files):
        assert row["status"] == "recognised", row
        index = row["index"] if "index" in row else row["image"]["top"][0]["index"]
        assert int(index) == fake_class(file.read_bytes()), row


def honours_keys(cluster):
    """Whether the manager makes one image of two uploads under one Idempotency-Key."""
    client = Client(cluster)
    headers = {"Idempotency-Key": "0123456789abcdef-1", "Content-Type": "image/png"}
    ids = {client.post("/api/v1/images", data=png(1), headers=headers).json()["images"][0]["id"]
           for _ in range(2)}
    return len(ids) == 1


def check_none_doubled(cluster, files, honoured):
    """After retries: as many images at the server as files, where it honours the key."""
    names = collections.Counter(i["name"] for i in Client(cluster, SESSION).images())
    assert names.keys() == {f.name for f in files}
    doubled = {name: n for name, n in names.items() if n > 1}
    if honoured:
        assert not doubled
    else:
        print(f"\nthis manager does not honour Idempotency-Key: {len(doubled)} photos doubled")


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


# ---- what it prints ----

def test_csv_of_files_and_directories_is_in_their_order(cluster, run, tmp_path):
    cluster.add_workers(2)
    files = write_photos(tmp_path / "photos" / "deep", 30)
    odd = tmp_path / 'a "quoted", name.bin'
    odd.write_bytes(png(500))  # a file that is named is sent whatever its ending is
    (tmp_path / "photos" / "notes.txt").write_text("not sent")
    (tmp_path / "photos" / ".hidden.png").write_bytes(b"not sent")
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos")
    result = run(url_of(cluster), "--csv", odd, tmp_path / "photos")
    assert result.code == GOOD, result.err()
    check_rows(result.csv(), [odd, *files])
    assert "31 photos: 31 recognised" in result.err()
    assert result.out().count("\r\n") == result.out().count("\n") == 32


def test_json_holds_the_servers_object_of_each_image(cluster, run, tmp_path):
    cluster.add_workers(1)
    files = write_photos(tmp_path / "photos", 5)
    result = run(url_of(cluster), "--json", "--top", 2, "--session", SESSION, *files)
    assert result.code == GOOD, result.err()
    rows = result.json()
    check_rows(rows, files)
    client = Client(cluster, SESSION)
    for row, file in zip(rows, files):
        stored = client.image(row["image"]["id"])
        assert len(row["image"]["top"]) == 2
        assert row["image"]["top"] == stored["top"][:2]
        # "push" is known to who was pushed to alone.
        row["image"]["timing_ms"]["push"] = stored["timing_ms"]["push"]
        assert {**row["image"], "top": 0} == {**stored, "top": 0}
        assert stored["name"] == file.name and row["error"] is None


def test_json_lines_and_more_classes_than_the_socket_tells(cluster, run, tmp_path):
    cluster.add_workers(1)
    files = write_photos(tmp_path / "photos", 8)
    result = run(url_of(cluster), "--jsonl", "--top", 9, *files)
    rows = [json.loads(line) for line in result.out().splitlines()]
    check_rows(rows, files)
    for row in rows:
        scores = [p["score"] for p in row["image"]["top"]]
        assert len(scores) == 9 and scores == sorted(scores, reverse=True)


def test_a_photo_on_standard_input(cluster, run):
    cluster.add_workers(1)
    result = run(url_of(cluster), "--json", "-", stdin=png(7))
    assert result.code == GOOD, result.err()
    (row,) = result.json()
    assert row["path"] == "-" and row["image"]["top"][0]["index"] == fake_class(png(7))
    nothing = run(url_of(cluster), "-", stdin=b"")
    assert nothing.code == SOME_FAILED and "empty_file" in nothing.out()


def test_bad_files_are_told_and_the_others_go_on(cluster, run, tmp_path):
    cluster.add_workers(2)
    good = write_photos(tmp_path / "good", 6)
    text, empty, cut = (tmp_path / name for name in ("text.jpg", "empty.png", "cut.png"))
    large, huge, nothing = (tmp_path / name for name in ("large.png", "huge.png", "nothing.png"))
    text.write_text("not a photo")
    empty.write_bytes(b"")
    cut.write_bytes(png(1)[:-6])
    large.write_bytes(png(2) + b"\0" * (21 << 20))
    huge.write_bytes(png(3) + b"\0" * (70 << 20))  # larger than a whole request may be
    bare = tmp_path / "bare"
    bare.mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    bad = {text: ("rejected", "not_an_image"), empty: ("rejected", "empty_file"),
           cut: ("failed", "damaged_image"), large: ("rejected", "image_too_large"),
           huge: ("rejected", None), nothing: ("rejected", "unreadable"),
           bare: ("rejected", "unreadable"), tmp_path / "pipe.png": ("rejected", "unreadable")}
    arguments = [path for pair in zip(bad, [*good, *good]) for path in pair]
    result = run(url_of(cluster), "--csv", *arguments)
    assert result.code == SOME_FAILED
    rows = result.csv()
    assert [row["path"] for row in rows] == [str(a) for a in arguments]
    by_path = {row["path"]: row for row in rows}
    for path, (status, code) in bad.items():
        row = by_path[str(path)]
        assert row["status"] == status and row["error"] == (code or row["error"]), row
        assert len(row["detail"]) > 10
        assert f"{path}: {status}" in result.err()
    assert all(by_path[str(path)]["status"] == "recognised" for path in good)
    assert f"{len(arguments)} photos: 8 recognised, 8 not" in result.err()


def read_terminal(descriptor, process):
    """All that it writes to its terminal, until it ends."""
    text, deadline = b"", time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if select.select([descriptor], [], [], 0.1)[0]:
            try:
                text += os.read(descriptor, 65536)
            except OSError:  # the other side is closed
                break
        elif process.poll() is not None:
            break
    return text.decode()


def on_terminal(arguments, columns, env=None):
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    process = subprocess.Popen([binary("imgrec"), "classify", *map(str, arguments)],
                               stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
                               env={**os.environ, "TERM": "xterm", **(env or {})})
    os.close(follower)
    text = read_terminal(leader, process)
    os.close(leader)
    return process.wait(PATIENCE_S), text


def test_a_terminal_gets_a_table_of_its_width_and_progress(cluster, tmp_path):
    cluster.add_workers(1, "--delay-ms", 40)
    files = write_photos(tmp_path / "a-directory-with-a-rather-long-name-of-its-own", 20)
    arguments = ["--server", url_of(cluster), *files, tmp_path / "nothing.png"]
    code, text = on_terminal(arguments, 60)
    assert code == SOME_FAILED
    assert "\x1b[31m" in text, "a failure is red"
    assert re.search(r"\[#+-+\] \d+/21 photos, ", text), text[-500:]
    plain = re.sub(r"\x1b\[[0-9;]*[mK]", "", text)
    rows = [line.rsplit("\r", 1)[-1] for line in plain.replace("\r\n", "\n").split("\n")]
    assert max(len(row) for row in rows) <= 60, rows
    assert len([row for row in rows if "0.png" in row or "fake" in row]) >= 20
    code, text = on_terminal([*arguments, "--quiet"], 60, {"NO_COLOR": "1"})
    assert code == SOME_FAILED
    assert "\x1b" not in text and "photos" not in text.replace("/photos", "")


def test_what_a_server_says_does_nothing_to_a_terminal(stub, run, tmp_path):
    stub.label = "evil \x1b[2J\x07\u202e\u009b31m, label"
    (photo,) = write_photos(tmp_path / "p", 1)
    for arguments in ([], ["--csv"], ["--json"]):
        result = run(stub.url, *arguments, photo)
        assert result.code == GOOD, result.err()
        assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]", result.out())
    assert result.json()[0]["image"]["top"][0]["label"] == stub.label


# ---- exit codes ----

@pytest.mark.parametrize("arguments, words", [
    ([], "name a photo"),
    (["--colour", "a.png"], "unknown flag --colour"),
    (["--server", "here:8080", "a.png"], "http://"),
    (["--json", "--csv", "a.png"], "only one"),
    (["--top", "101", "a.png"], "top must be"),
    (["--timeout", "0s", "a.png"], "timeout must be"),
    (["--token", "secret", "a.png"], "IMGREC_TOKEN"),
    (["--session", "short", "a.png"], "openssl rand"),
    (["-", "-"], "once"),
])
def test_wrong_usage(arguments, words):
    done = subprocess.run([binary("imgrec"), "classify", *arguments], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_S)
    assert done.returncode == WRONG_USAGE, done
    assert words in done.stderr and done.stdout == ""


def test_help_and_version():
    for arguments in (["--help"], ["classify", "--help"], ["--version"]):
        done = subprocess.run([binary("imgrec"), *arguments], capture_output=True, text=True,
                              timeout=PATIENCE_S)
        assert done.returncode == 0 and done.stderr == ""
    assert re.fullmatch(r"imgrec \d+\.\d+\.\d+\n", done.stdout)
    for arguments in ([], ["clasify"]):
        done = subprocess.run([binary("imgrec"), *arguments], capture_output=True, text=True,
                              timeout=PATIENCE_S)
        assert done.returncode == WRONG_USAGE and "--help" in done.stderr


def test_a_server_that_is_not_there(run, tmp_path):
    (photo,) = write_photos(tmp_path / "p", 1)
    start = time.monotonic()
    result = run(f"http://127.0.0.1:{closed_port()}", "--json", photo)
    assert result.code == NO_SERVER
    assert time.monotonic() - start < 20, "it does not wait for --timeout"
    assert "cannot be reached" in result.err() and "refused" in result.err()
    assert result.json() == []


def test_a_server_that_takes_connections_and_says_nothing(cluster, gate_to, run, tmp_path):
    gate, url = gate_to(cluster)
    gate.newcomers = BLACK_HOLE
    (photo,) = write_photos(tmp_path / "p", 1)
    result = run(url, "--timeout", "4s", photo)
    assert result.code == NO_SERVER, result.err()
    assert "cannot be reached" in result.err()


def test_the_token_is_sent_and_a_server_that_wants_another_refuses(stub, run, tmp_path):
    stub.token = "let-me-in"
    (photo,) = write_photos(tmp_path / "p", 1)
    refused = run(stub.url, photo)
    assert refused.code == NO_SERVER
    assert "IMGREC_TOKEN" in refused.err()
    assert run(stub.url, photo, env={"IMGREC_TOKEN": "let-me-in"}).code == GOOD
    token_file = tmp_path / "token"
    token_file.write_text("let-me-in\n")
    assert run(stub.url, "--token-file", token_file, photo).code == GOOD
    token_file.write_text("let-me-in\r\nX-Other: header")
    assert run(stub.url, "--token-file", token_file, photo).code == GOOD, "the first word counts"
    missing = run(stub.url, "--token-file", tmp_path / "none", photo)
    assert missing.code == WRONG_USAGE


def test_the_token_of_a_real_manager(run, tmp_path):
    manager_help = subprocess.run([binary("imgrec-manager"), "--help"], capture_output=True,
                                  text=True, timeout=PATIENCE_S).stdout
    if "--http-token-file" not in manager_help:
        pytest.skip("this manager knows no API token")
    token = secrets.token_hex(32)
    (tmp_path / "token").write_text(token)
    (tmp_path / "token").chmod(0o600)
    manager = Program("manager", [binary("imgrec-manager"), "--port", 0, "--worker-port", 0,
                                  "--data", tmp_path / "data", "--frontend", FRONTEND,
                                  "--http-token-file", tmp_path / "token"], tmp_path / "m.log")
    programs = [manager]
    try:
        http, workers = manager.wait_log(r"manager_ready http=(\S+) workers=(\S+)").groups()
        programs.append(Program("worker", [binary("imgrec-fake-worker"), "--manager", workers],
                                tmp_path / "w.log"))
        files = write_photos(tmp_path / "p", 5)
        refused = run(f"http://{http}", "--csv", tmp_path / "p")
        assert refused.code == NO_SERVER and "IMGREC_TOKEN" in refused.err()
        good = run(f"http://{http}", "--csv", "--delete", tmp_path / "p",
                   env={"IMGREC_TOKEN": token})
        assert good.code == GOOD, good.err()
        check_rows(good.csv(), files)
    finally:
        for program in reversed(programs):
            program.terminate()
            program.check_no_report()


@pytest.mark.parametrize("answer", [
    Answer(200, b"<html>a router's page</html>"), Answer(200, b"[" * 100_000),
    Answer(404, b"nothing here"), Answer(301, b"", {"Location": "http://127.0.0.1:1/"}),
    Answer(202, {"images": [{"id": "../../etc", "state": "done"}], "rejected": []}),
])
def test_what_is_no_imgrec_server_is_told(stub, run, tmp_path, answer):
    stub.uploads = [answer]
    (photo,) = write_photos(tmp_path / "p", 1)
    result = run(stub.url, photo)
    assert result.code == NO_SERVER, (result.out(), result.err())
    assert "stopped: " in result.err()


def test_no_worker_is_given_up_in_time(cluster, run, tmp_path):
    files = write_photos(tmp_path / "p", 3)
    result = run(url_of(cluster), "--csv", "--timeout", "2s", *files)
    assert result.code == SOME_FAILED
    assert [row["error"] for row in result.csv()] == ["no_result"] * 3
    assert "nothing moved for 2 s" in result.err() and "3 photos without a result" in result.err()


def test_an_output_that_is_closed_ends_the_run(cluster, tmp_path):
    cluster.add_workers(1)
    files = write_photos(tmp_path / "p", 20)
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen([binary("imgrec"), "classify", "--server", url_of(cluster), *files],
                               stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == SOME_FAILED and b"standard output" in err
    assert b"--timeout" not in err, "nothing took too long"


# ---- tries and retries, against the script ----

def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(stub, run, tmp_path):
    stub.uploads = [busy(1), busy(2, status=503), None]
    (photo,) = write_photos(tmp_path / "p", 1)
    result = run(stub.url, photo)
    assert result.code == GOOD, result.err()
    first, second, third = stub.posts()
    assert 1.0 <= second.when - first.when < 2.5
    assert 2.0 <= third.when - second.when < 3.5


def test_every_try_of_a_file_has_the_same_key_and_bytes(stub, run, tmp_path):
    stub.uploads = [SILENCE, busy(0), problem(500, "internal", "a bug"), None]
    files = write_photos(tmp_path / "p", 3)
    result = run(stub.url, "--json", "--parallel", 1, *files)
    assert result.code == GOOD, result.err()
    keys = collections.defaultdict(set)
    for post in stub.posts():
        keys[post.headers["Idempotency-Key"]].add((post.body, post.headers["X-Filename"]))
    assert [len(tries) for tries in keys.values()] == [1, 1, 1]
    assert [tries.pop()[0] for tries in keys.values()] == [f.read_bytes() for f in files]
    assert len(stub.posts()) == 6
    sessions = {post.headers["X-Session"] for post in stub.posts()}
    assert len(sessions) == 1 and re.fullmatch("[0-9a-f]{32}", sessions.pop())
    again = run(stub.url, *files)
    assert again.code == GOOD
    assert len({post.headers["Idempotency-Key"] for post in stub.posts()}) == 6, "a run of its own"


def test_a_file_that_the_server_cannot_digest_does_not_hold_up_the_others(stub, run, tmp_path):
    stub.uploads = [problem(500, "internal", "a bug")] * 6 + [None]
    files = write_photos(tmp_path / "p", 2)
    result = run(stub.url, "--csv", "--parallel", 1, *files)
    assert result.code == SOME_FAILED
    assert [row["status"] for row in result.csv()] == ["rejected", "recognised"]


# ---- cut, stalled and restarted ----

def test_300_photos(cluster, run, tmp_path):
    cluster.add_workers(3)
    files = write_photos(tmp_path / "p", 300)
    result = run(url_of(cluster), "--csv", "--session", SESSION, tmp_path / "p")
    assert result.code == GOOD, result.err()
    check_rows(result.csv(), files)
    assert len(Client(cluster, SESSION).images()) == 300
    assert cluster.ledger() == {"accepted": 300, "done": 300, "failed": 0, "open": 0}
    print("\n" + result.err().strip())


def test_connections_that_are_cut_again_and_again(cluster, gate_to, begin, tmp_path):
    """Uploads and the socket both, in the middle; every photo is recognised, none twice."""
    honoured = honours_keys(cluster)
    cluster.add_workers(2, "--delay-ms", 20)
    files = write_photos(tmp_path / "p", 200, size=120)
    gate, url = gate_to(cluster, seed=4)
    gate.set("both", rate=60_000, slices=3000)
    dice = random.Random(4)
    result = begin(url, "--csv", "--session", SESSION, tmp_path / "p")
    cuts = 0
    while result.process.poll() is None and cuts < 25:
        time.sleep(dice.uniform(0.05, 0.3))
        cuts += bool(gate.cut_within(dice.choice(["up", "down"]), dice.randint(1, 4000)))
        if cuts % 6 == 5:
            gate.cut_all(RST)
    gate.clear()
    result.wait()
    assert result.code == GOOD, result.err()
    check_rows(result.csv(), files)
    assert cuts >= 10, "it was over too soon to be cut"
    check_none_doubled(cluster, files, honoured)
    print(f"\n{cuts} cuts, {gate.accepted} connections: {result.err().strip()}")


def test_a_network_that_stalls_in_the_middle(cluster, gate_to, begin, tmp_path):
    cluster.add_workers(2, "--delay-ms", 30)
    files = write_photos(tmp_path / "p", 80)
    gate, url = gate_to(cluster)
    result = begin(url, "--csv", "--timeout", "16s", tmp_path / "p")
    wait_until(lambda: result.out().count("\n") > 20, "some results")
    for direction in ("both", "down"):
        gate.set(direction, stall=HOLD)
        time.sleep(3)
        gate.set("both", stall=FLOW)
        time.sleep(0.3)
    result.wait()
    assert result.code == GOOD, result.err()
    check_rows(result.csv(), files)


def test_without_websockets_results_are_polled(cluster, gate_to, run, tmp_path):
    cluster.add_workers(2, "--delay-ms", 20)
    files = write_photos(tmp_path / "p", 30)
    blocked = []

    def no_sockets(_link, direction):
        def change(data):
            blocked.extend(re.findall(b"GET /ws", data))
            return data.replace(b"GET /ws", b"GET /no")
        return change if direction == "up" else None

    _, url = gate_to(cluster, new_filter=no_sockets)
    result = run(url, "--json", tmp_path / "p")
    assert result.code == GOOD, result.err()
    check_rows(result.json(), files)
    assert blocked, "it tried"


def test_kill9_of_the_manager_in_the_middle(cluster, begin, tmp_path):
    honoured = honours_keys(cluster)
    cluster.add_workers(2, "--delay-ms", 20)
    files = write_photos(tmp_path / "p", 200)
    result = begin(url_of(cluster), "--csv", "--session", SESSION, tmp_path / "p")
    for results in (10, 60):
        wait_until(lambda: result.out().count("\n") > results, f"{results} results")
        cluster.kill9_manager()
        time.sleep(1)
        cluster.restart_manager()
    result.wait()
    assert result.code == GOOD, result.err()
    check_rows(result.csv(), files)
    check_none_doubled(cluster, files, honoured)


def test_a_manager_that_does_not_come_back(cluster, begin, tmp_path):
    cluster.add_workers(1, "--delay-ms", 30)
    files = write_photos(tmp_path / "p", 60)
    result = begin(url_of(cluster), "--json", "--timeout", "3s", tmp_path / "p")
    wait_until(lambda: result.out().count("\n") > 5, "some results")
    cluster.kill9_manager()
    result.wait()
    assert result.code == NO_SERVER
    rows = result.json()
    assert [row["path"] for row in rows] == [str(f) for f in files], "each file has its outcome"
    statuses = collections.Counter(row["status"] for row in rows)
    assert statuses["recognised"] >= 5 and statuses["unfinished"] >= 1, statuses
    assert "cannot be reached" in result.err()
    cluster.restart_manager()


def test_a_full_queue_only_takes_longer(new_cluster, run, tmp_path):
    cluster = new_cluster(manager_args=["--scheduler-max-open", 10])
    cluster.add_workers(1, "--delay-ms", 10)
    client = cluster.client
    for name, data in pngs(5):  # so that the manager knows its rate and asks for short waits
        client.wait_done(client.upload([(name, data)]))
    files = write_photos(tmp_path / "p", 60)
    result = run(url_of(cluster), "--csv", "--parallel", 16, tmp_path / "p")
    assert result.code == GOOD, result.err()
    check_rows(result.csv(), files)


# ---- interrupted, deleted ----

def test_ctrl_c_ends_with_what_is_known(cluster, begin, tmp_path):
    cluster.add_workers(1, "--delay-ms", 30)
    write_photos(tmp_path / "p", 100)
    result = begin(url_of(cluster), "--json", tmp_path / "p")
    wait_until(lambda: result.out().count("\n") > 5, "some results")
    result.process.send_signal(signal.SIGINT)
    assert result.wait(20).code == INTERRUPTED
    rows = result.json()
    assert 5 <= len(rows) < 100 and {row["status"] for row in rows} == {"recognised"}
    assert "interrupted" in result.err() and "left at the server, in session" in result.err()


def test_a_second_ctrl_c_ends_at_once(cluster, tmp_path):
    """Even where nobody reads its output."""
    if b"libtsan" in pathlib.Path(binary("imgrec")).read_bytes():
        pytest.skip("the thread sanitizer keeps signals until a blocked write is over")
    cluster.add_workers(1)
    write_photos(tmp_path / "p", 300)
    reader, writer = os.pipe()
    process = subprocess.Popen([binary("imgrec"), "classify", "--server", url_of(cluster), "--json",
                                str(tmp_path / "p")], stdout=writer, stderr=subprocess.DEVNULL)
    os.close(writer)

    def waiting():  # bytes in the pipe
        return int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, b"\0" * 4), sys.byteorder)

    def full():  # nothing more goes in
        before = waiting()
        time.sleep(0.3)
        return before > 40_000 and waiting() == before

    wait_until(full, "a full pipe")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None, "it waits for its reader"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == INTERRUPTED
    os.close(reader)


def test_delete_leaves_nothing_at_the_server(cluster, begin, run, tmp_path):
    cluster.add_workers(2)
    write_photos(tmp_path / "p", 40)
    result = run(url_of(cluster), "--delete", "--session", SESSION, tmp_path / "p")
    assert result.code == GOOD, result.err()
    assert Client(cluster, SESSION).images() == []
    kept = run(url_of(cluster), "--session", SESSION, tmp_path / "p")
    assert kept.code == GOOD and len(Client(cluster, SESSION).images()) == 40

    session = SESSION + "-2"
    cluster.add_worker("--delay-ms", 200)
    for worker in cluster.workers[:2]:
        worker.terminate()
    stopped = begin(url_of(cluster), "--delete", "--session", session, tmp_path / "p")
    wait_until(lambda: len(Client(cluster, session).images()) >= 10, "photos at the server")
    stopped.process.send_signal(signal.SIGINT)
    assert stopped.wait(20).code == INTERRUPTED
    assert Client(cluster, session).images() == []


def test_a_photo_that_somebody_else_deletes(cluster, begin, tmp_path):
    files = write_photos(tmp_path / "p", 3)
    result = begin(url_of(cluster), "--csv", "--session", SESSION, *files)
    client = Client(cluster, SESSION)
    wait_until(lambda: len(client.images()) == 3, "three photos")
    time.sleep(0.3)
    lost = next(i for i in client.images() if i["name"] == files[1].name)
    assert client.http.delete(client.url + lost["url"], timeout=PATIENCE_S).status_code == 204
    cluster.add_workers(1)
    assert result.wait().code == SOME_FAILED
    assert [row["status"] for row in result.csv()] == ["recognised", "failed", "recognised"]
    assert result.csv()[1]["error"] == "deleted"


# ---- https ----

def test_https_and_whom_it_trusts(run, tmp_path):
    script = pathlib.Path(__file__).parents[1] / "support" / "make_certificates.sh"
    made = tmp_path / "certificates"
    subprocess.run([script, made], check=True, capture_output=True, timeout=PATIENCE_S)
    (photo,) = write_photos(tmp_path / "p", 1)
    stub = StubServer(tls=(made / "manager.pem", made / "manager.key"))
    try:
        good = run(stub.url, "--ca", made / "ca.pem", photo)
        assert good.code == GOOD, good.err()
        by_name = run(stub.url.replace("127.0.0.1", "localhost"), "--ca", made / "ca.pem", photo)
        assert by_name.code == GOOD, by_name.err()
        for arguments in ([], ["--ca", made / "other-ca.pem"]):
            refused = run(stub.url, *arguments, photo)
            assert refused.code == NO_SERVER and "--ca" in refused.err(), refused.err()
        assert run(stub.url, "--ca", tmp_path / "none.pem", photo).code == WRONG_USAGE
    finally:
        stub.close()


# ---- the real thing ----

def test_real_photos_are_recognised(new_cluster, run, photos, model, tmp_path):
    cluster = new_cluster(worker="imgrec-worker", worker_args=["--model", model])
    cluster.add_workers(2)
    directory = tmp_path / "photos"
    directory.mkdir()
    for name, data in photos[:30]:
        (directory / name).write_bytes(data)
    result = run(url_of(cluster), "--json", directory, timeout_s=400)
    assert result.code == GOOD, result.err()
    rows = result.json()
    right = sum(pathlib.Path(row["path"]).name.startswith(
        row["image"]["top"][0]["label"].split(" ")[0]) for row in rows)
    print(f"\n{len(rows)} photos, right {right}: {result.err().strip()}")
    assert len(rows) == 30 and right >= 15
    table = run(url_of(cluster), directory / photos[0][0])
    assert table.code == GOOD and "tench" in table.out() and "n01440764 " not in table.out()
