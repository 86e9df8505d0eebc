"""The public CI's workflow runs scripts of this repository: that they are there, and take what it
gives them, is checked here; that a public runner agrees is not."""

import os
import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / ".github/workflows/ci.yml"


def commands():
    """Every line that a job's step runs."""
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    for name, job in jobs.items():
        assert job["timeout-minutes"] <= 90, f"{name} may run for longer than is reasonable"
        for step in job["steps"]:
            yield from step.get("run", "").splitlines()


def scripts():
    for line in commands():
        for command in line.split("&&"):
            words = command.split()
            if words and (words[0].startswith("./") or words[0].startswith("ci/")):
                yield words


def test_every_script_is_there_and_can_be_run():
    found = list(scripts())
    assert {words[0] for words in found} >= {"./test.sh", "ci/chart_check.sh", "ci/k8s_smoke.sh", "ci/geni_smoke.sh"}
    for words in found:
        assert os.access(ROOT / words[0], os.X_OK), f"{words[0]} is no executable file"


def test_every_flag_is_one_of_the_scripts():
    for words in scripts():
        text = (ROOT / words[0]).read_text()
        for flag in (word for word in words[1:] if word.startswith("--")):
            assert re.search(rf"^\s*{re.escape(flag)}\b|\| {re.escape(flag)}\b|{re.escape(flag)}\)", text, re.M), (
                f"{words[0]} takes no {flag}")


def test_the_builds_that_it_tests_are_those_of_test_sh():
    presets = yaml.safe_load(WORKFLOW.read_text())["jobs"]["test"]["strategy"]["matrix"]["preset"]
    assert " ".join(presets) in (ROOT / "test.sh").read_text()


def test_a_report_says_what_was_skipped_and_why(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text("""<testsuite>
      <testcase name="a" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
        <system-out>...\n\nSKIPPED: there is no engine\n</system-out></testcase>
      <testcase name="b" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
        <system-out>SKIPPED: there is no engine\n</system-out></testcase>
      <testcase name="c" status="fail"/><testcase name="d" status="run"/>
      <testcase name="e" status="notrun"><skipped message="Unable to find executable: e"/></testcase>
    </testsuite>""")
    said = subprocess.run([ROOT / "ci/junit-counts.py", report], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["1 2 2", "failed c", "failed e", "skipped a, b: there is no engine"]
