"""runs.csv, read and checked: one `Run` a row, or a `BadTable` that names the line and what to do.
failed_runs.csv, too, which is only shown: what is wrong with that one is a note.

The file is from outside: its size, rows and fields are bounded, every number is finite and within
bounds, and texts are kept as they are, to be escaped by whoever shows them.
"""
import collections
import csv
import dataclasses
import datetime
import io
import itertools
import math

MAX_BYTES = 64 << 20
MAX_ROWS = 100_000
MAX_TEXT = 200
MAX_ERROR = 500
EXPERIMENTS = ("workers", "failure", "delay", "loss", "combined")
HUGE = 1e18


class BadTable(Exception):
    """What is wrong with the file, for people."""


@dataclasses.dataclass(frozen=True)
class Column:
    kind: type
    required: bool = False
    low: float = 0.0
    high: float = HUGE
    or_endless: bool = False  # "inf" is allowed, and as good as empty
    counter: bool = False  # by how much a counter grew: below 0 where it began anew, and as good as empty


def _count(**keywords):
    return Column(int, **keywords)


def _number(**keywords):
    return Column(float, **keywords)


COLUMNS = {
    "experiment": Column(str, required=True),
    "setting": Column(str, required=True),
    "workers": _count(required=True, low=1, high=10_000),
    "failure_probability": _number(high=1),
    "delay_ms": _number(),
    "loss_percent": _number(high=100),
    "images": _count(required=True, low=1, high=10_000_000),
    "repeat": _count(required=True, low=1),
    "seed": Column(str),
    "started": Column(datetime.datetime),
    "total_s": _number(low=1e-9),
    "image_bytes": _count(),
    "throughput_mbit": _number(),
    "images_per_s": _number(),
    "compute_s": _number(),
    "capacity_images_per_s": _number(),
    "worker_up_s": _number(),
    "bound_s": _number(or_endless=True),  # of a run whose workers, by their speed, were not there long enough
    "accepted": _count(counter=True),
    "done": _count(counter=True),
    "failed": _count(counter=True),
    "open": _count(low=-HUGE),
    "doubled": _count(),
    "label_mismatches": _count(),
    "restarts": _count(),
    "resent": _count(counter=True),
    "duplicates_dropped": _count(counter=True),
    "rtt_ms": _number(),
    "retransmissions": _number(counter=True),
    "wire_bits_out": _number(counter=True),
    "wire_bits_in": _number(counter=True),
    "congestion_control": Column(str),
    "link_rate_mbit": _number(),
    "link_lateness_p99_ms": _number(),
    "link_unread": _count(),
    "cpu_share": _number(),
    "git_revision": Column(str),
    "program_version": Column(str),
    "model_digest": Column(str),
    "kernel": Column(str),
}

# One field a column, None where the file's is empty; `line` is where the row stands in the file.
Run = dataclasses.make_dataclass("Run", ["line", *COLUMNS], frozen=True)
# An attempt that came to nothing, as texts. `kind`: "violation" where photos were lost or the ledger did not
# balance, else "trouble"; empty in files of before it was written.
Failure = collections.namedtuple("Failure", ["experiment", "setting", "images", "repeat", "attempt", "at", "error",
                                             "kind"])
_OLDER = ("kind",)


def read(path):
    """([Run], [notes]) of a file, in its order. The notes say what was left out and why."""
    try:
        return parse(_text(path), path)
    except OSError as error:
        raise BadTable(f"{path} cannot be read ({error.strerror}); name a results folder of run.sh") from error


def read_failed(path):
    """([Failure], [notes]) of failed_runs.csv; no failure where there is no such file, and None for them where
    it cannot be read."""
    try:
        reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
        there = reader.fieldnames or Failure._fields
        if missing := [name for name in Failure._fields if name not in (*there, *_OLDER)]:
            raise BadTable(f"it has no columns {', '.join(missing)}")
        rows = itertools.islice(reader, MAX_ROWS)
        return [Failure(*(_shown(row.get(name)) for name in Failure._fields)) for row in rows], []
    except FileNotFoundError:
        return [], []
    except (OSError, csv.Error, BadTable) as error:
        return None, [f"Which runs failed is not known: {path} cannot be read ({error})."]


def _shown(field):
    """A text from anywhere, short and on one line."""
    return "".join(c if c.isprintable() else " " for c in (field or "")[:MAX_ERROR])


def _text(path):
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise BadTable(f"{path} is larger than {MAX_BYTES >> 20} MiB; none of run.sh is")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadTable(f"{path}, line {line}: is not UTF-8 text") from error


def parse(text, name="runs.csv"):
    """As `read`, of the file's text."""
    notes = []
    if text and not text.endswith("\n"):
        # Rows are appended whole, so this one was being written when the machine or the disk gave up.
        text, torn = text[:text.rfind("\n") + 1], text.count("\n") + 1
        notes.append(f"line {torn} of {name} ends in the middle: its run was left out")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    runs, anew = [], []
    try:
        header = next(reader, None)
        _check_header(header, name)
        for row in reader:
            if row:  # an empty line is none
                runs.append(_run(header, row, f"{name}, line {reader.line_num}", reader.line_num, anew))
            if len(runs) > MAX_ROWS:
                raise BadTable(f"{name} has more than {MAX_ROWS} rows")
    except csv.Error as error:
        raise BadTable(f"{name}, line {reader.line_num}: {error}") from error
    if anew:
        notes.append(f"{len(anew)} figure{'s' if len(anew) > 1 else ''} below 0, as where a program ended during a run "
                     f"and its counters began anew, taken as not recorded (the first: {anew[0]})")
    return runs, notes


def _check_header(header, name):
    if header is None:
        raise BadTable(f"{name} is empty: it should begin with the columns' names")
    wrong = [f"unknown column {column[:MAX_TEXT]!r}" for column in header if column not in COLUMNS]
    wrong += [f"no column {column!r}" for column in COLUMNS if column not in header]
    wrong += [f"column {column!r} twice" for column in COLUMNS if header.count(column) > 1]
    if wrong:
        raise BadTable(f"{name}, line 1: {', '.join(wrong[:10])}{', …' if len(wrong) > 10 else ''}; "
                       "is it of another version of imgrec?")


def _run(header, row, where, line, anew):
    if len(row) != len(header):
        raise BadTable(f"{where}: has {len(row)} fields, and there are {len(header)} columns")
    values = {column: _value(column, field, where, anew) for column, field in zip(header, row)}
    if values["experiment"] not in EXPERIMENTS:
        raise BadTable(f"{where}: experiment {values['experiment']!r} is none of {', '.join(EXPERIMENTS)}")
    return Run(line=line, **values)


def _value(name, field, where, anew):
    """`anew` is told of counters below 0."""
    column = COLUMNS[name]
    if field == "":
        if column.required:
            raise BadTable(f"{where}: {name} is empty")
        return None
    if len(field) > MAX_TEXT:
        raise BadTable(f"{where}: {name} is longer than {MAX_TEXT} characters")
    if column.kind is str:
        if not field.isprintable():
            raise BadTable(f"{where}: {name} {field!r} has characters that cannot be shown")
        return field
    try:
        if "_" in field:  # which Python would read over
            raise ValueError
        value = datetime.datetime.fromisoformat(field) if column.kind is datetime.datetime else column.kind(field)
    except ValueError:
        raise BadTable(f"{where}: {name} {field!r} is not {_WHAT[column.kind]}") from None
    if column.or_endless and value == math.inf:
        return None
    if column.kind is datetime.datetime:
        if value.tzinfo is None:
            raise BadTable(f"{where}: {name} {field!r} has no time zone; UTC is written as Z or +00:00")
        return value.astimezone(datetime.timezone.utc)
    if column.counter and -HUGE <= value < 0:
        anew.append(f"{where}: {name} {field}")
        return None
    if not math.isfinite(value) or not column.low <= value <= column.high:
        raise BadTable(f"{where}: {name} {field!r} is not from {column.low:g} to {column.high:g}")
    return value


_WHAT = {int: "a whole number", float: "a number", datetime.datetime: "a time as ISO 8601 writes it"}
