"""models/get-googlenet.sh against a server of this test's own: no network is used."""
import fcntl
import hashlib
import io
import os
import resource
import signal
import subprocess
import tarfile

import pytest
from cluster import BIN_DIR, REPO
from file_server import FileServer
from pictures import shared_dir

SCRIPT = REPO / "models" / "get-googlenet.sh"
WEIGHTS = bytes(range(256)) * 400
PROTOTXT = b"name: 'net'\nlayer { name: 'data' }\n"
LABELS = b"n01440764 tench\nn01443537 goldfish\n"
# Makes a folder of what it is given, so that it can be compared.
FAKE_IMPORTER = """#!/bin/bash
while (($# > 1)); do
  case "$1" in
    --prototxt | --caffemodel | --labels) files+=("$2") ;;
    --out) out="$2" ;;
  esac
  shift
done
mkdir -p "$out" && cp "${files[@]}" "$out/" && echo "wrote $out"
"""


def archive(name, data):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def sha1(data):
    return hashlib.sha1(data).hexdigest()


class Getting:
    """The script, with a cache and a folder of its own."""

    def __init__(self, directory):
        self.directory = directory
        self.cache = directory / "cache" / "imgrec" / "bvlc_googlenet"
        self.out = directory / "model"
        self.importer = directory / "importer"
        self.importer.write_text(FAKE_IMPORTER)
        self.importer.chmod(0o755)
        self.said = ""

    def run(self, *arguments, file_limit=None):
        """Its exit code. file_limit: what longer files get is what a full disk gives."""
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails, nobody is killed
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

        done = subprocess.run(
            ["bash", SCRIPT, "--importer", self.importer, *map(str, arguments)],
            env={**os.environ, "XDG_CACHE_HOME": str(self.directory / "cache")},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
            preexec_fn=limit, restore_signals=False, check=False)
        self.said = done.stdout
        return done.returncode

    def get(self, server, *more, weights=WEIGHTS, **keywords):
        return self.run("--from", server.url, "--sha1", sha1(weights), "--out", self.out, *more,
                        **keywords)

    def left(self):
        """Names beside the model's place, hidden ones too, that a failure must not have made."""
        return {path.name for path in self.directory.iterdir()} - {"cache", "importer"}

    def made(self):
        return {path.name: path.read_bytes() for path in self.out.iterdir()}


@pytest.fixture
def getting(tmp_path):
    return Getting(tmp_path)


@pytest.fixture
def server():
    with FileServer({"bvlc_googlenet.caffemodel": WEIGHTS, "deploy.prototxt": PROTOTXT,
                     "caffe_ilsvrc12.tar.gz": archive("synset_words.txt", LABELS)}) as server:
        yield server


GOOD = {"bvlc_googlenet.caffemodel": WEIGHTS, "deploy.prototxt": PROTOTXT,
        "synset_words.txt": LABELS}


@pytest.mark.parametrize("arguments, code, words", [
    (["--help"], 0, "Usage: models/get-googlenet.sh"),
    (["--ouch"], 2, "unknown argument --ouch"),
    (["--out"], 2, "--out needs a value"),
    (["--timeout", "1s"], 2, "needs whole seconds"),
    (["--from", "/some/where"], 2, "needs an address"),
    (["--sha1", "abc"], 2, "needs 40 hex digits"),
    (["--importer", "/none"], 1, "no imgrec-model program"),
])
def test_wrong_usage_says_what_is_wrong(getting, arguments, code, words):
    assert getting.run(*arguments) == code
    assert words in getting.said
    assert getting.left() == set()


def test_a_mirror_gives_the_three_files_and_it_says_how_to_use_the_model(getting, server):
    assert getting.get(server) == 0, getting.said
    assert getting.made() == GOOD
    assert f"./run.sh --model {getting.out}" in getting.said
    assert "100.0%" in getting.said, "progress is shown"
    server.requests.clear()
    assert getting.get(server) == 1
    assert "exists; give another --out, or --force" in getting.said
    assert getting.get(server, "--force") == 0
    assert server.requests == [], "what is there is not downloaded again"


def test_the_real_importer_makes_a_model_that_recognises(tmp_path, getting):
    source = shared_dir() / "models" / "bvlc_googlenet"
    getting.importer = BIN_DIR / "imgrec-model"
    if not source.is_dir():
        pytest.skip(f"there is no {source}")
    if not getting.importer.exists():
        pytest.skip(f"there is no imgrec-model in {BIN_DIR}: built without LibTorch")
    weights = (source / "bvlc_googlenet.caffemodel").read_bytes()
    labels = (source / "synset_words.txt").read_bytes()
    files = {"bvlc_googlenet.caffemodel": weights,
             "deploy.prototxt": (source / "deploy.prototxt").read_bytes(),
             "caffe_ilsvrc12.tar.gz": archive("./synset_words.txt", labels)}
    with FileServer(files) as server:
        # The disk is full when the model is written: nothing half-made is left.
        assert getting.get(server, weights=weights) == 0, getting.said
        again = tmp_path / "again"
        code = getting.run("--from", server.url, "--sha1", sha1(weights), "--out", again,
                           file_limit=1_000_000)
    assert code == 1, getting.said
    assert "cannot write" in getting.said
    assert getting.left() == {"model"}, getting.said
    check = subprocess.run([getting.importer, "check", getting.out], capture_output=True, text=True,
                           timeout=120, check=True)
    assert "bvlc_googlenet" in check.stdout
    assert server.url in check.stdout, "model.yaml says where the weights came from"
    photo = sorted((shared_dir() / "data" / "photos").glob("*.JPEG"))[0]
    answer = subprocess.run([getting.importer, "classify", "--model", getting.out, photo],
                            capture_output=True, text=True, timeout=120, check=True)
    assert photo.name.split("_")[0] in answer.stdout


def test_weights_of_another_sum_are_deleted_and_nothing_is_made(getting, server):
    server.files["bvlc_googlenet.caffemodel"] = b"x" + WEIGHTS[1:]
    assert getting.get(server) == 1
    assert "its SHA-1 is not" in getting.said
    assert getting.left() == set()
    assert not list(getting.cache.glob("*.caffemodel*"))
    server.files["bvlc_googlenet.caffemodel"] = WEIGHTS
    assert getting.get(server) == 0, getting.said
    assert getting.made() == GOOD


def test_without_a_mirror_the_weights_must_be_the_public_ones(getting, server):
    assert getting.run("--from", server.url, "--out", getting.out) == 1
    assert "405fc5acd08a3bb12de8ee5e23a96bec22f08204" in getting.said


def test_a_download_that_is_cut_again_and_again_goes_on_where_it_was(getting, server):
    third = len(WEIGHTS) // 3
    server.cut = lambda name, number: third if name.endswith(".caffemodel") else None
    assert getting.get(server) == 0, getting.said
    assert getting.made() == GOOD
    asked = [span for name, span in server.requests if name.endswith(".caffemodel")]
    assert asked[:3] == [None, f"bytes={third}-", f"bytes={2 * third}-"]


def test_a_cut_that_brings_nothing_more_ends_it_and_the_next_run_goes_on(getting, server):
    server.cut = lambda name, number: (5000, 0)[min(number, 1)] if "model" in name else None
    assert getting.get(server) == 3
    assert getting.left() == set()
    assert "run this again to continue" in getting.said
    assert (getting.cache / "bvlc_googlenet.caffemodel.part").stat().st_size == 5000
    server.cut = lambda name, number: None
    assert getting.get(server) == 0, getting.said
    assert server.requests[-1] == ("bvlc_googlenet.caffemodel", "bytes=5000-")
    assert getting.made() == GOOD


def test_a_server_that_cannot_continue_begins_again(getting, server):
    server.ranges = False
    server.cut = lambda name, number: 5000 if "model" in name and number == 0 else None
    assert getting.get(server) == 0, getting.said
    assert "beginning again" in getting.said
    assert getting.made() == GOOD


def test_a_server_that_cannot_continue_and_always_cuts_is_given_up(getting, server):
    server.ranges = False
    server.cut = lambda name, number: 5000 if "model" in name else None
    assert getting.get(server) == 3
    assert getting.left() == set()
    assert len(server.requests) < 10


def test_what_was_begun_of_another_file_is_begun_again(getting, server):
    getting.cache.mkdir(parents=True)
    part = getting.cache / "bvlc_googlenet.caffemodel.part"
    for begun in (b"some other file", b"y" * len(WEIGHTS), b"z" * (len(WEIGHTS) + 9)):
        part.write_bytes(begun)
        assert getting.get(server, "--force") == 0, getting.said
        assert "beginning again" in getting.said
        assert getting.made() == GOOD
        (getting.cache / "bvlc_googlenet.caffemodel").unlink()


def test_without_a_network_it_says_how_to_do_it_by_hand(getting, server):
    server.close()
    assert getting.get(server) == 3
    assert getting.left() == set()
    for words in ("deploy.prototxt", "synset_words.txt", "bvlc_googlenet.caffemodel",
                  "import-caffe --prototxt", f"--out {getting.out}", "--from URL"):
        assert words in getting.said


def test_a_missing_file_is_named(getting, server):
    del server.files["caffe_ilsvrc12.tar.gz"]
    assert getting.get(server) == 3
    assert "cannot download http" in getting.said and "caffe_ilsvrc12.tar.gz" in getting.said
    assert getting.left() == set()


@pytest.mark.parametrize("name, words", [("deploy.prototxt", "no network definition"),
                                         ("caffe_ilsvrc12.tar.gz", "archive is damaged")])
def test_a_login_page_instead_of_a_file_is_not_kept(getting, server, name, words):
    good = server.files[name]
    server.files[name] = b"<html>Welcome to our hotel</html>"
    assert getting.get(server) == 1
    assert words in getting.said
    server.files[name] = good
    assert getting.get(server) == 0, getting.said
    assert getting.made() == GOOD


def test_a_full_disk_is_told_and_the_next_run_goes_on(getting, server):
    assert getting.get(server, file_limit=50_000) == 1
    assert "is the disk full?" in getting.said
    assert getting.left() == set()
    assert getting.get(server) == 0, getting.said
    assert server.requests[-1] == ("bvlc_googlenet.caffemodel", "bytes=50000-")
    assert getting.made() == GOOD


def test_two_at_once_do_not_write_into_each_others_files(getting, server):
    getting.cache.mkdir(parents=True)
    with open(getting.cache / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert getting.get(server) == 1
    assert "another models/get-googlenet.sh is at work" in getting.said
    assert server.requests == []
