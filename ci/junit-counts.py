#!/usr/bin/python3
"""Reads ctest's JUnit file and prints: passed failed skipped, then the names that did not pass.

Usage: ci/junit-counts.py FILE
The first line is three numbers; each further line is "failed NAME" or "skipped NAME".
"""
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


def main():
    if len(sys.argv) != 2 or sys.argv[1] == "--help":
        print(__doc__)
        return 0 if sys.argv[1:] == ["--help"] else 2
    cases = ElementTree.parse(sys.argv[1]).getroot().iter("testcase")
    outcomes = [(outcome(case), case.get("name")) for case in cases]
    print(*(sum(o == kind for o, _ in outcomes) for kind in ("passed", "failed", "skipped")))
    for kind, name in outcomes:
        if kind != "passed":
            print(kind, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
