"""./run.sh as a newcomer runs it: from the build that is there, with the model in the box."""
import os
import re
import signal
import subprocess

import pytest
import requests
from cluster import BIN_DIR, REPO, wait_until
from pictures import png


@pytest.fixture
def run_sh(tmp_path):
    """A function that starts ./run.sh; what it says is in the file of that name."""
    if BIN_DIR != REPO / "build" / "release" / "bin" or not (BIN_DIR / "imgrec-worker").exists():
        pytest.skip("./run.sh runs the release build, with workers that recognise")
    started = []

    def start(*arguments):
        said = tmp_path / f"said-{len(started)}"
        with open(said, "wb") as output:
            started.append(subprocess.Popen(
                [REPO / "run.sh", "--port", "0", "--worker-port", "0", "--workers", "1",
                 "--data", tmp_path / "data", *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                # A proxy is for the world outside; here nobody answers at it.
                env={**os.environ, "http_proxy": "http://127.0.0.1:1"}, start_new_session=True))
        return started[-1], said

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def test_it_recognises_with_the_model_that_is_there_and_says_which(run_sh):
    process, said = run_sh()
    ready = wait_until(lambda: re.search(r"imgrec is ready:  (\S+)", said.read_text()) or
                       process.poll() is not None, "it to be ready")
    assert process.poll() is None, said.read_text()
    url, words = ready[1], said.read_text()
    name = "cifar10-inception"
    if (REPO / "models" / "googlenet" / "model.yaml").exists():  # got by whoever works here
        name = "bvlc_googlenet"
    else:
        assert "from models/cifar10-inception" in words
        assert "knows airplane, automobile, bird," in words
        assert "    models/get-googlenet.sh\n" in words
    assert f"{name}, 1" in words
    answer = requests.post(f"{url}api/v1/images?wait=30", data=png(1),
                           headers={"Content-Type": "image/png"}, timeout=60).json()
    assert answer["images"][0]["model"] == name
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert "Stopped. Photos and results are in" in said.read_text()


def test_a_folder_that_is_no_model_is_refused_in_words(run_sh, tmp_path):
    process, said = run_sh("--model", tmp_path)
    assert process.wait(120) == 3
    assert "this is no model folder" in said.read_text()
