#!/usr/bin/python3
"""Reads ctest's JUnit file and prints: passed failed skipped, then the names that did not pass.

Usage: ci/junit-counts.py FILE
The first line is three numbers; each further line is "failed NAME" or "skipped NAMES: REASON", where
the reason is the last line "SKIPPED: REASON" that those tests printed.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree


def outcome(case):
    """'passed', 'failed' or 'skipped' for one <testcase>; disabled tests count as skipped."""
    if case.get("status") == "run":
        return "passed"
    if case.get("status") in ("notrun", "disabled") and (
        case.find("skipped") is not None or case.get("status") == "disabled"
    ):
        # ctest calls a test whose program is missing "notrun" too: that is a failure.
        skipped = case.find("skipped")
        message = "" if skipped is None else skipped.get("message", "")
        return "failed" if "Unable to find executable" in message else "skipped"
    return "failed"


def reason(case):
    """Why a test was skipped, in its own words; empty where it said nothing."""
    said = re.findall(r"^SKIPPED: (.+)$", case.findtext("system-out") or "", re.MULTILINE)
    return said[-1].strip() if said else ""


def main():
    if len(sys.argv) != 2 or sys.argv[1] == "--help":
        print(__doc__)
        return 0 if sys.argv[1:] == ["--help"] else 2
    cases = list(ElementTree.parse(sys.argv[1]).getroot().iter("testcase"))
    outcomes = [outcome(case) for case in cases]
    print(*(outcomes.count(kind) for kind in ("passed", "failed", "skipped")))
    skipped = {}
    for kind, case in zip(outcomes, cases):
        if kind == "failed":
            print("failed", case.get("name"))
        elif kind == "skipped":
            skipped.setdefault(reason(case), []).append(case.get("name"))
    for why, names in skipped.items():
        print("skipped", ", ".join(names) + (f": {why}" if why else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
