"""Shared by all integration tests: clusters that end themselves, and an exit code for ctest."""
import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from cluster import BIN_DIR, Cluster  # noqa: E402
from pictures import shared_dir  # noqa: E402

SKIPPED = 77  # what ctest takes as "skipped"
_outcomes = set()
_reasons = []


@pytest.fixture
def new_cluster(request, tmp_path):
    """A function that starts a cluster: new_cluster(manager_args=…, worker=…). At the end each one
    is checked and stopped; where the test failed, its logs are shown instead."""
    clusters = []

    def start(**keywords):
        directory = tmp_path / f"cluster-{len(clusters)}"
        directory.mkdir()
        cluster = Cluster(directory, **keywords)
        clusters.append(cluster)
        cluster.start()
        return cluster

    yield start
    call = getattr(request.node, "call_report", None)
    for cluster in clusters:
        cluster.close(failed=call is None or call.failed)


@pytest.fixture
def cluster(new_cluster):
    """One manager, no workers yet; fake ones unless told otherwise."""
    return new_cluster()


@pytest.fixture
def photos():
    """[(name, bytes)] of the 100 development photos."""
    directory = shared_dir() / "data" / "photos"
    files = sorted(directory.glob("*.JPEG"))
    if not files:
        pytest.skip(f"there are no photos in {directory}")
    return [(f.name, f.read_bytes()) for f in files]


@pytest.fixture
def model():
    """The model folder for real workers."""
    folder = os.environ.get("IMGREC_MODEL", "")
    if not folder:
        pytest.skip("IMGREC_MODEL names no model folder")
    if not (BIN_DIR / "imgrec-worker").exists():
        pytest.skip(f"there is no imgrec-worker in {BIN_DIR}")
    return folder


def pytest_sessionstart(session):
    """A test that would hang until ctest ends it without a word fails shortly before instead: its
    report says where it stood, and shows its programs' logs."""
    seconds = int(os.environ.get("IMGREC_TEST_SECONDS", "0"))

    def time_is_over(_number, _frame):
        session.shouldfail = f"the {seconds} seconds of this file are over"
        pytest.fail(session.shouldfail)

    signal.signal(signal.SIGALRM, time_is_over)
    signal.alarm(seconds)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.call_report = report
    if report.when == "call" or report.outcome != "passed":
        _outcomes.add(report.outcome)
    if report.skipped and isinstance(report.longrepr, tuple):
        _reasons.append(report.longrepr[2].removeprefix("Skipped: "))


def pytest_sessionfinish(session, exitstatus):
    if exitstatus == 0 and _outcomes == {"skipped"}:
        session.exitstatus = SKIPPED
    # ./test.sh shows the last of these beside the test's name (ci/junit-counts.py).
    for reason in dict.fromkeys(_reasons):
        print(f"\nSKIPPED: {' '.join(reason.split())[:300]}")
