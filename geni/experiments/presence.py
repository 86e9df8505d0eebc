"""When workers were there, from the manager's log.

    stays = stays_of(log_text, ["worker-1", ...], begin, end)   # {name: [(from, to), ...]}
"""
import datetime
import re

_EVENT = re.compile(r"^(\S+)Z info imgrec-manager "
                    r"(?:worker_(joined|left) worker=(\d+) name=(\S+)|manager_ready )", re.M)


def seconds_of(stamp):
    """Seconds since 1970 of a log's time stamp, without its Z."""
    return datetime.datetime.fromisoformat(stamp + "+00:00").timestamp()


def stays_of(log, names, begin, end):
    """Times when workers were registered between `begin` and `end`, counted from `begin`. A worker is
    known by its name: what one process left, the next one of that name goes on with."""
    events = [(seconds_of(stamp), what, number, name) for stamp, what, number, name in _EVENT.findall(log)]
    stays = {name: [] for name in names}
    here = {}  # (name, number): since
    for at, what, number, name in events:
        if not what:  # another manager, which knows none of those
            here.clear()
        elif what == "joined":
            here[name, number] = at
        elif (name, number) in here:
            _add(stays, name, here.pop((name, number)), at, begin, end)
    for (name, _), since in here.items():
        _add(stays, name, since, end, begin, end)
    return {name: sorted(found) for name, found in stays.items()}


def _add(stays, name, came, went, begin, end):
    if name in stays and min(went, end) > max(came, begin):
        stays[name].append((max(came, begin) - begin, min(went, end) - begin))


def total(stays):
    return sum(to - since for found in stays.values() for since, to in found)
