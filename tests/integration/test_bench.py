"""imgrec-bench inference: every way of running a model, side by side."""
import re
import subprocess
from pathlib import Path

import pytest

from cluster import binary
from pictures import png

MODEL = Path(__file__).resolve().parents[2] / "models" / "cifar10-inception"


def bench(*arguments):
    return subprocess.run([binary("imgrec-bench"), *map(str, arguments)], capture_output=True,
                          text=True, timeout=300, check=False)


def write_photos(directory, count):
    for number in range(count):
        (directory / f"{number}.png").write_bytes(png(number, 40, 30))


def test_prints_a_rate_for_every_network_thread_count_and_decoding(tmp_path):
    write_photos(tmp_path, 3)
    result = bench("inference", "--model", MODEL, "--photos", tmp_path, "--rounds", 2, "--seconds", 0.02)
    assert result.returncode == 0, result.stderr
    rows = re.findall(r"^ +(\d) +(yes|no)  (\S.*?) +([\d.]+)  \(", result.stdout, re.MULTILINE)
    networks = {row[2] for row in rows}
    assert {"TorchScript as saved", "TorchScript optimized", "compiled fp32"} <= networks, result.stdout
    assert len(rows) == len(networks) * 4, "two thread counts, with decoding and without"
    assert all(float(row[3]) > 0 for row in rows), result.stdout
    assert re.search(r"sgemm on one thread: [\d.]*[1-9][\d.]* GFLOP/s", result.stdout)
    assert re.search(r"batches .*: 1 at a time [\d.]+ images/s \(1\.00\), 2 at a time", result.stdout)


def test_leaves_out_what_cannot_be_had_and_says_why(tmp_path):
    write_photos(tmp_path, 1)
    result = bench("inference", "--model", MODEL, "--photos", tmp_path, "--caffe", tmp_path,
                   "--rounds", 1, "--seconds", 0.01, "--threads", 1)
    assert result.returncode == 0, result.stderr
    assert "left out: OpenCV DNN" in result.stdout and ".caffemodel" in result.stdout


@pytest.mark.parametrize("arguments, code, word", [
    ((), 2, "Usage"),
    (("fly",), 2, "fly"),
    (("inference",), 2, "--model"),
    (("inference", "--model", MODEL, "--photos", "/nowhere"), 1, "/nowhere"),
    (("inference", "--model", "/nowhere", "--photos", "/"), 1, "/nowhere"),
    (("inference", "--model", MODEL, "--photos", "/", "--rounds", "0"), 2, "--rounds"),
])
def test_says_what_is_wrong(arguments, code, word):
    result = bench(*arguments)
    assert result.returncode == code
    assert word in result.stderr
