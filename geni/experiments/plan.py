"""What is measured: experiments, their settings, their runs. Pure: nothing here measures anything.

    plan = make_plan(only=["delay"], series=[Series(images=5, repeats=8)], seed=1, combinations=[])
    for setting in plan.settings: ...
    for run in plan.runs: ...

A setting is one point of one experiment; a run is one repeat of it, with so many photos. Runs go round by
repeat: the first of every setting, then the second of every setting. Settings are compared repeat by repeat,
and what the hour does to a machine is then in both. The clean three-worker setting is always there, first:
what the others are compared with.
"""
import dataclasses
import random

EXPERIMENTS = ("workers", "failure", "delay", "loss", "combined")
WORKERS = 3
# As the course project measured them, in its order.
VALUES = {"workers": ("3", "2", "1"), "failure": ("0.5", "0.3", "0.1"), "delay": ("500", "300", "100"),
          "loss": ("5", "10", "15")}
COMBINED = ("delay=100,loss=5", "delay=300,loss=10", "workers=2,delay=100,loss=5",
            "failure=0.3,delay=100,loss=5")
MAX_DELAY_MS, MAX_LOSS_PERCENT, MAX_WORKERS = 10_000, 90, 64


class BadPlan(ValueError):
    """What was asked for cannot be planned, in words for people."""


@dataclasses.dataclass(frozen=True)
class Setting:
    experiment: str
    key: str  # unique within the experiment
    workers: int = WORKERS
    failure: float = 0.0  # probability for each photo that worker-1 leaves instead
    delay_ms: float = 0.0  # one way, each link, beyond what the link has of itself
    loss_percent: float = 0.0  # each direction of each link

    @property
    def name(self):
        return f"{self.experiment} {self.key}"


@dataclasses.dataclass(frozen=True)
class Series:
    images: int  # a run
    repeats: int


PUBLISHED = Series(images=5, repeats=8)
STEADY = Series(images=600, repeats=3)


@dataclasses.dataclass(frozen=True)
class Run:
    setting: Setting
    images: int
    repeat: int  # from 1

    @property
    def identity(self):
        """What makes it this run and no other: how a row of the results is told to be its."""
        return self.setting.experiment, self.setting.key, self.images, self.repeat


@dataclasses.dataclass(frozen=True)
class Plan:
    settings: tuple
    series: tuple

    @property
    def runs(self):
        return [Run(setting, one.images, repeat) for one in self.series
                for repeat in range(1, one.repeats + 1) for setting in self.settings]


CLEAN = Setting("workers", str(WORKERS))


def parse_setting(experiment, key):
    """The setting that a text such as "500" or, of combined, "delay=100,loss=5" stands for."""
    if experiment not in EXPERIMENTS:
        raise BadPlan(f'there is no experiment "{experiment}": {", ".join(EXPERIMENTS)}')
    pairs = key.split(",") if experiment == "combined" else [f"{experiment}={key}"]
    values = {}
    for pair in pairs:
        name, equals, text = pair.strip().partition("=")
        if name not in VALUES or not equals or name in values:
            raise BadPlan(f'combination "{key}": "{pair}" is none of workers=N, failure=P, delay=MS, '
                          "loss=PERCENT, each once")
        values[name] = _value(name, text)
    fields = {"workers": "workers", "failure": "failure", "delay": "delay_ms", "loss": "loss_percent"}
    return Setting(experiment, key.replace(" ", ""), **{fields[name]: v for name, v in values.items()})


def _value(name, text):
    kind, low, high = {"workers": (int, 1, MAX_WORKERS), "failure": (float, 0, 0.95),
                       "delay": (float, 0, MAX_DELAY_MS), "loss": (float, 0, MAX_LOSS_PERCENT)}[name]
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise BadPlan(f'{name}: "{text}" is no number from {low} to {high}')
    return value


def make_plan(only, series, combinations=(), chosen=()):
    """`only`: experiments, none for the four of the course project. `chosen`: "delay=500", or "500" where
    `only` names one experiment: the settings that are measured of an experiment, instead of the published
    ones."""
    keys = _chosen_keys(list(only), chosen)
    only = only or list(keys) or EXPERIMENTS[:4]
    if combinations and "combined" not in only:
        only = [*only, "combined"]
    settings = [CLEAN]
    for experiment in only:
        if experiment not in EXPERIMENTS:
            raise BadPlan(f'there is no experiment "{experiment}": {", ".join(EXPERIMENTS)}')
        default = combinations or COMBINED if experiment == "combined" else VALUES[experiment]
        settings += [parse_setting(experiment, key) for key in keys.pop(experiment, default)]
    if keys:
        raise BadPlan(f"{', '.join(keys)}: settings were chosen of what is not among the experiments")
    for one in series:
        if not 1 <= one.images <= 1_000_000 or not 1 <= one.repeats <= 10_000:
            raise BadPlan("a run has 1 to 1000000 photos, a setting 1 to 10000 repeats")
    unique = {(s.experiment, s.key): s for s in settings}
    return Plan(tuple(unique.values()), tuple(series))


def _chosen_keys(only, chosen):
    found = {}
    for text in chosen:
        experiment, equals, key = text.partition("=")
        if not equals:
            if len(only) != 1:
                raise BadPlan(f'"{text}": of which experiment? delay={text}, for instance')
            experiment, key = only[0], text
        found.setdefault(experiment, []).append(key)
    return found


def choose_photos(count, images, seed, repeat):
    """Which of `count` photos a run sends, in order: the same in every setting, so that settings are
    compared with the same work. Whole rounds of all photos where there are not enough."""
    chance = random.Random(f"{seed}/{images}/{repeat}")
    chosen = []
    while len(chosen) < images:
        chosen += chance.sample(range(count), min(count, images - len(chosen)))
    return chosen


SETUP_S = 2.5  # a new manager, to which workers come back, and photos that are not measured
LOAD_S = 5.0  # a model, by a worker that is started


def expected_s(runs, image_s):
    """A guess of how long each run takes, in order, with what comes before and after it, for the time
    left: `image_s` is what one worker takes for a photo."""
    before = None
    for run in runs:
        yield _run_s(run, image_s) + SETUP_S + (LOAD_S if _starts_workers(before, run.setting) else 0)
        before = run.setting


def _starts_workers(before, setting):
    return before is None or setting.workers > before.workers or setting.failure != before.failure


def _run_s(run, image_s):
    setting = run.setting
    fraction_up = 1 - 0.9 * setting.failure / setting.workers
    work = run.images * image_s / (setting.workers * fraction_up)
    link = 8 * setting.delay_ms / 1000 * (1 + setting.loss_percent / 10)
    return work + link + 1.5
