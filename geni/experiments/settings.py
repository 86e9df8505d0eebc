"""How experiments and their settings are called where people read them."""
import math

EXPERIMENTS = {
    "workers": "Number of workers",
    "failure": "One failing worker",
    "delay": "Delay on all links",
    "loss": "Loss on all links",
    "combined": "Combined",
}
# What the x axis of an experiment counts.
AXES = {
    "workers": "workers",
    "failure": "probability that the failing worker fails at a photo",
    "delay": "delay of every link, each way (ms)",
    "loss": "packets lost on every link, each direction (%)",
    "combined": "",
}
_COLUMNS = {"workers": "workers", "failure": "failure_probability", "delay": "delay_ms", "loss": "loss_percent"}


def value(experiment, group):
    """What a group's setting is a number of, None where it is not one number. The clean group is at
    0 of what the experiment varies."""
    column = _COLUMNS.get(experiment)
    return getattr(group.runs[0], column) or 0 if column else None


def long_name(experiment, setting):
    """As a table says it."""
    names = {
        "workers": lambda: f"{setting} worker{'' if setting == '1' else 's'}",
        "failure": lambda: f"failing at {setting}",
        "delay": lambda: f"{setting} ms each way",
        "loss": lambda: f"{setting} % lost",
        "combined": lambda: ", ".join(_part(*part.partition("=")) for part in setting.split(",")),
    }
    return names[experiment]() if experiment in names else setting


def _part(key, _, value):
    if value and key != "combined" and key in EXPERIMENTS:
        return long_name(key, value)
    return f"{key} {value}".strip()


def in_words(experiment, setting):
    """As a sentence begins with it."""
    names = {
        "workers": lambda: f"With {setting} worker{'' if setting == '1' else 's'}",
        "failure": lambda: f"With one of the workers failing at each photo with a probability of {setting}",
        "delay": lambda: f"With {setting} ms of delay each way on all links",
        "loss": lambda: f"With {setting} % of the packets lost in each direction on all links",
    }
    return names[experiment]() if experiment in names else f"With {long_name(experiment, setting)}"


def photos(count):
    return f"{count} photo{'' if count == 1 else 's'}"


def digits(value, count=3):
    """A figure with so many digits that mean something: 0.123, 12.3, 1234."""
    if value == 0:
        return "0"
    places = count - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(places, 0), 9)}f}"


def short_name(experiment, setting):
    """As a tick says it, below the axis that has the unit."""
    return long_name(experiment, setting) if experiment == "combined" else setting
