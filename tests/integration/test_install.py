"""`cmake --install` into a folder of its own: the layout that images and packages are made of, and
programs that find website and model beside themselves, from whatever directory they are started."""
import os
import shutil
import subprocess

import pytest
import requests
from cluster import BIN_DIR, FRONTEND, Program, wait_until
from pictures import png

BUILD_DIR = BIN_DIR.parent
MODEL_FILES = ["README.md", "labels.txt", "model.pt", "model.yaml"]


def install(component, prefix):
    subprocess.run([shutil.which("cmake"), "--install", BUILD_DIR, "--component", component,
                    "--prefix", prefix], check=True, capture_output=True, text=True, timeout=60)


def files_below(directory):
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())


@pytest.fixture
def programs(tmp_path):
    """A function that starts a program of the prefix, in an empty directory; all end with the test."""
    empty = tmp_path / "empty"
    empty.mkdir()
    started = []

    def start(path, *arguments):
        # Its own working directory: what lies in the repository must be of no help.
        command = ["env", "-C", empty, path, *arguments]
        started.append(Program(path.name, command, tmp_path / f"{path.name}.log"))
        return started[-1]

    yield start
    for program in started:
        if program.alive():
            program.kill9()


def test_each_component_holds_its_own_and_nothing_else(tmp_path):
    install("manager", tmp_path / "m")
    installed = files_below(tmp_path / "m")
    website = [f for f in files_below(FRONTEND) if f not in ("README.md", "package.json")]
    assert installed == sorted(["bin/imgrec-manager", "share/doc/imgrec/LICENSE",
                                *(f"share/imgrec/frontend/{f}" for f in website)])
    assert os.access(tmp_path / "m" / "bin" / "imgrec-manager", os.X_OK)
    if not (BIN_DIR / "imgrec-worker").exists():
        return
    install("worker", tmp_path / "w")
    assert files_below(tmp_path / "w") == sorted(
        ["bin/imgrec-worker", "share/doc/imgrec/LICENSE",
         *(f"share/imgrec/models/cifar10-inception/{f}" for f in MODEL_FILES)])
    install("tools", tmp_path / "t")
    assert files_below(tmp_path / "t") == ["bin/imgrec", "bin/imgrec-model",
                                           "share/doc/imgrec/LICENSE"]


def test_an_installed_manager_and_worker_need_to_be_told_no_folder(tmp_path, programs):
    prefix = tmp_path / "prefix"
    install("manager", prefix)
    manager = programs(prefix / "bin" / "imgrec-manager", "--port", "0", "--worker-port", "0",
                       "--data", tmp_path / "data")
    http, workers = manager.wait_log(r"manager_ready http=(\S+) workers=(\S+)").groups()
    page = requests.get(f"http://{http}/", timeout=30)
    assert page.status_code == 200
    assert page.content == (FRONTEND / "index.html").read_bytes()

    if (BIN_DIR / "imgrec-worker").exists():
        install("worker", prefix)
        worker = programs(prefix / "bin" / "imgrec-worker", "--manager", workers)
        wait_until(lambda: worker.alive() and '"ready"' in requests.get(
            f"http://{http}/api/v1/cluster", timeout=30).text, "the installed worker to be ready")
        answer = requests.post(f"http://{http}/api/v1/images?wait=30", data=png(1),
                               headers={"Content-Type": "image/png"}, timeout=60).json()
        assert answer["images"][0]["model"] == "cifar10-inception"
        assert worker.terminate() == 0, worker.tail()
    assert manager.terminate() == 0, manager.tail()


def test_a_worker_without_any_model_says_how_to_get_one(tmp_path, programs):
    if not (BIN_DIR / "imgrec-worker").exists():
        pytest.skip(f"there is no imgrec-worker in {BIN_DIR}")
    install("worker", tmp_path / "prefix")
    shutil.rmtree(tmp_path / "prefix" / "share" / "imgrec")
    worker = programs(tmp_path / "prefix" / "bin" / "imgrec-worker")
    assert worker.wait(60) == 2
    assert "models/googlenet (it has no model.yaml); give another directory" in worker.log()


def test_a_worker_that_is_told_to_leave_while_it_starts_leaves_at_once(tmp_path, programs):
    """By a handler of its own: as the first process of a container it gets no other signal."""
    if not (BIN_DIR / "imgrec-worker").exists():
        pytest.skip(f"there is no imgrec-worker in {BIN_DIR}")
    token = tmp_path / "token"
    os.mkfifo(token)  # reading it takes for ever
    worker = programs(BIN_DIR / "imgrec-worker", "--worker-token-file", token)

    def is_reading():
        assert worker.alive(), worker.tail()
        try:
            return os.open(token, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            return None

    writer = wait_until(is_reading, "the worker to read its token")
    try:
        assert worker.terminate(20) == 0, worker.tail()
    finally:
        os.close(writer)
