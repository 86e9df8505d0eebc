#!/usr/bin/env python3
"""Writes the table of values into imgrec/README.md, out of the comments of imgrec/values.yaml: of every
value the sentence that stands above it behind "# --".

    helm/readme.py            write it
    helm/readme.py --check    write nothing; exit code 1 where it is not what it should be
"""
import json
import pathlib
import re
import sys

import yaml

CHART = pathlib.Path(__file__).resolve().parent / "imgrec"
BEGIN = "<!-- values: made by helm/readme.py -->"
END = "<!-- values: end -->"


def comment_above(lines, line):
    """The sentence of the key at `line` (from 0), or None."""
    text = []
    while line > 0 and (match := re.fullmatch(r"\s*#\s?(.*)", lines[line - 1])):
        text.insert(0, match[1])
        line -= 1
    joined = " ".join(text)
    return joined[3:].strip() if joined.startswith("-- ") else None


def documented(text):
    """[(path, default, sentence)] of values.yaml's text, in its order. A value with a sentence is told
    whole; one without must be a map, whose values are told. Raises ValueError for any other."""
    lines, result = text.splitlines(), []

    def walk(node, path):
        for key, value in node.value:
            here = path + (key.value,)
            sentence = comment_above(lines, key.start_mark.line)
            if sentence:
                # Aliases and tags are not used here: what stands there is its own value.
                plain = yaml.safe_load(yaml.serialize(value))
                result.append((".".join(here), plain, sentence))
            elif isinstance(value, yaml.MappingNode) and value.value:
                walk(value, here)
            else:
                raise ValueError(f"values.yaml, line {key.start_mark.line + 1}: {'.'.join(here)} has "
                                 'no sentence; write one above it, behind "# -- "')

    walk(yaml.compose(text), ())
    return result


def cell(text):
    return text.replace("|", "\\|")


def table(values):
    rows = ["| value | default | meaning |", "|---|---|---|"]
    for path, default, sentence in values:
        shown = json.dumps(default, ensure_ascii=False)
        rows.append(f"| `{path}` | `{cell(shown)}` | {cell(sentence)} |")
    return "\n".join(rows)


def with_table(readme, values):
    begin, end = readme.index(BEGIN) + len(BEGIN), readme.index(END)
    return f"{readme[:begin]}\n{table(values)}\n{readme[end:]}"


def main():
    if sys.argv[1:] == ["--help"]:
        print(__doc__)
        return
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("readme.py takes --check or --help")
    file = CHART / "README.md"
    old = file.read_text("utf-8")
    new = with_table(old, documented((CHART / "values.yaml").read_text("utf-8")))
    if not sys.argv[1:]:
        file.write_text(new, "utf-8")
    elif old != new:
        sys.exit(f"{file} is not current: run helm/readme.py")


if __name__ == "__main__":
    main()
