"""The experiments' options: what is asked for, and what is asked again when a session is resumed."""
import argparse
import json
import os
import pathlib
import re
import shlex

from hosts import BadHosts, read_hosts
from made_pictures import MADE_PICTURES
from plan import CLEAN, EXPERIMENTS, PUBLISHED, STEADY, BadPlan, Series, make_plan

REPO = pathlib.Path(__file__).resolve().parents[2]
HELP = """\
Measures imgrec's throughput: workers {3, 2, 1}, one of three workers that fails at probability
{0.5, 0.3, 0.1} for each photo, {500, 300, 100} ms of delay and {5, 10, 15} % of loss on all links, and
combinations. Writes runs.csv (raw data), summary, plots and report.html.

--on local needs root: manager and workers run in network namespaces on this machine, with an emulated
link each, every worker under its share of CPU."""
EPILOG = """\
Ctrl-C ends all that was started and keeps what was measured; --resume FOLDER goes on.

Exit codes: 0 all runs are there and good, 1 some are not, 2 wrong usage, 3 this machine cannot do it,
128 + N ended by signal N."""
# What makes a session another one: --resume may not change it.
ASKED = ("on", "set", "only", "setting", "combine", "repeat", "images", "seed", "photos", "model",
         "cpu_share", "rate", "base_delay", "congestion", "manager_flags", "worker_flags", "link_flags")


ONLY_LOCAL = ("cpu_share", "rate", "base_delay", "congestion", "manager_flags", "worker_flags", "link_flags")


class Wrong(Exception):
    """Wrong usage, in words."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Wrong(f"{message}. geni/experiments/run.sh --help says how to use it.")


def parser():
    made = Parser(prog="geni/experiments/run.sh", description=HELP, epilog=EPILOG, allow_abbrev=False,
                  formatter_class=argparse.RawDescriptionHelpFormatter, argument_default=argparse.SUPPRESS)
    add = made.add_argument
    add("--on", metavar="WHERE", help="local, or a hosts file (geni/README.md); needed, but with --resume")
    add("--set", choices=["published", "steady", "both"],
        help=f"published (default): {PUBLISHED.images} photos a run, {PUBLISHED.repeats} runs a setting; "
        f"steady: {STEADY.images} photos, {STEADY.repeats} runs")
    add("--only", metavar="NAMES", help=f"of {', '.join(EXPERIMENTS)}; default: the first four. The clean "
        "run of three workers is always there")
    add("--setting", metavar="VALUES",
        help='instead of the published ones: "delay=500,loss=1"; "500,100" with one --only')
    add("--combine", action="append", metavar="SETTINGS",
        help='a combination, "workers=2,delay=100,loss=5"; may be repeated')
    add("--repeat", type=int, metavar="N", help="runs of a setting")
    add("--images", type=int, metavar="N", help="photos of a run")
    add("--seed", type=int, metavar="N", help="which photos are sent, which packets are lost (default 1)")
    add("--out", metavar="DIR", help="results (default build/experiments/TIME)")
    add("--resume", metavar="DIR", help="go on with these results, as they were asked for")
    add("--dry-run", action="store_true", help="print what would be measured, and how long that takes")
    add("--check", action="store_true", help="say whether this machine can do it, and stop")
    add("--model", metavar="DIR", help="model folder (default models/googlenet, else the one that comes along)")
    add("--photos", metavar="DIR", help="photos to send (default: pictures that are made here)")
    add("--bin-dir", metavar="DIR", help="programs (default build/release/bin, built where needed)")
    add("--cpu-share", type=float, metavar="CORES",
        help="of each worker (default: an eighth of them all, at most 1)")
    add("--rate", metavar="RATE", help="of each link (default 100mbit; 0: no limit)")
    add("--base-delay", type=float, metavar="MS", help="of each link, one way (default 1)")
    add("--congestion", metavar="NAME",
        help="TCP's congestion control of manager and workers, such as bbr or cubic "
        "(default: what they choose)")
    add("--package", metavar="FILE", help="for --on HOSTS: what geni/pack.sh made (default: made now)")
    add("--token-file", metavar="FILE", help="for --on HOSTS: as for geni/cluster.sh up")
    add("--ssh-config", metavar="FILE", help="for --on HOSTS: configuration for ssh")
    for program in ("manager", "worker", "link"):
        add(f"--{program}-flag", action="append", dest=f"{program}_flags", metavar="FLAG",
            help=f'for imgrec-{program}: --{program}-flag="--log-level debug"; may be repeated')
    return made


def parse(arguments, now):
    """Options with every default filled in; `asked` is what plan.json keeps of them, and `given` in it
    which ones somebody gave."""
    given = vars(parser().parse_args(arguments))
    resumed = given.pop("resume", None)
    out = given.pop("out", None)
    dry_run, check = given.pop("dry_run", False), given.pop("check", False)
    bin_dir = given.pop("bin_dir", None)
    for_hosts = {name: given.pop(name, None) for name in ("package", "token_file", "ssh_config")}
    asked = now_given = _normal(given)
    words = sorted(asked)
    if resumed:
        if out and pathlib.Path(out).resolve() != pathlib.Path(resumed).resolve():
            raise Wrong("--resume goes on in its own folder: leave --out away")
        asked, out = _as_before(pathlib.Path(resumed), asked), resumed
        words = asked.pop("given", words)
    elif "on" not in asked:
        raise Wrong("--on local or --on HOSTS.yaml is missing. geni/experiments/run.sh --help says more.")
    options = _complete(asked)
    _check_place(options, now_given, for_hosts, bin_dir)
    vars(options).update(for_hosts)
    options.given = words
    options.asked = {**{name: getattr(options, name) for name in ASKED}, "given": words}
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    options.out = str(pathlib.Path(out or REPO / "build/experiments" / stamp).resolve())
    options.resumed = bool(resumed)
    options.dry_run, options.check = dry_run, check
    options.bin_dir = pathlib.Path(bin_dir or REPO / "build/release/bin").resolve()
    options.bin_dir_given = bool(bin_dir)
    options.model = pathlib.Path(options.model)
    plan_of(options)
    return options


def plan_of(options):
    every = {"published": [PUBLISHED], "steady": [STEADY], "both": [PUBLISHED, STEADY]}[options.set]
    if options.images is not None:
        every = every[:1]
    series = [Series(_or(options.images, one.images), _or(options.repeat, one.repeats)) for one in every]
    try:
        return make_plan(options.only, series, options.combine, options.setting)
    except BadPlan as error:
        raise Wrong(str(error)) from error


def _or(value, default):
    return default if value is None else value


def _normal(given):
    """As plan.json has it: lists as lists, folders in full."""
    asked = dict(given)
    for name in ("only", "setting"):
        if name in asked:
            asked[name] = [part.strip() for part in asked[name].split(",") if part.strip()]
    for name in ("manager_flags", "worker_flags", "link_flags"):
        if name in asked:
            asked[name] = [word for text in asked[name] for word in shlex.split(text)]
    for name in ("model", "photos"):
        if name in asked:
            asked[name] = str(pathlib.Path(asked[name]).resolve())
    if asked.get("on", "local") != "local":
        asked["on"] = str(pathlib.Path(asked["on"]).resolve())
    return asked


def _as_before(folder, asked):
    try:
        before = json.loads((folder / "plan.json").read_text())
    except (OSError, ValueError) as error:
        raise Wrong(f"{folder} cannot be resumed: {error}") from error
    for name, value in asked.items():
        if before.get(name) != value:
            flag = "--" + name.replace("_flags", "_flag").replace("_", "-")
            raise Wrong(f"{flag} was {before.get(name)} in {folder} and is {value} now: a session that is "
                        "resumed stays as it was asked for. Leave it away, or begin another session")
    return before


def _complete(asked):
    options = argparse.Namespace(
        on="local", set="published", only=[], setting=[], combine=[], repeat=None,
        images=None, seed=1,
        photos=_default_photos(), model=_default_model(),
        cpu_share=None, rate="100mbit", base_delay=1.0, congestion=None, manager_flags=[],
        worker_flags=[], link_flags=[])
    for name, value in asked.items():
        setattr(options, name, value)
    if options.cpu_share is None:
        options.cpu_share = default_cpu_share(len(os.sched_getaffinity(0)))
    _check(options)
    return options


def default_cpu_share(cores):
    """Three workers never wait for a core, whatever manager, client and links do besides; and 600 photos
    take so long that a round trip of a second is not what a run is about."""
    return min(8, cores) / 8


def _check(options):
    if not 0.05 <= options.cpu_share <= 64:
        raise Wrong(f"--cpu-share: {options.cpu_share:g} is not from 0.05 to 64")
    if not 0 <= options.base_delay <= 10_000:
        raise Wrong(f"--base-delay: {options.base_delay:g} is not from 0 to 10000")
    if mbit(options.rate) is None:
        raise Wrong(f'--rate: "{options.rate}" is no rate, such as 100mbit, 1gbit or 0 for no limit')
    if options.congestion and not options.congestion.isalnum():
        raise Wrong(f'--congestion: "{options.congestion}" is no name')


def _check_place(options, now_given, for_hosts, bin_dir):
    """`now_given`: of this call; a session that is resumed has the defaults of all others in its plan."""
    if options.on == "local":
        if any(for_hosts.values()):
            raise Wrong("--package, --token-file and --ssh-config are for --on HOSTS.yaml")
        return
    wrong = [name for name in ONLY_LOCAL if now_given.get(name)]
    if wrong or bin_dir:
        flag = "--" + (wrong[0] if wrong else "bin_dir").replace("_flags", "_flag").replace("_", "-")
        raise Wrong(f"{flag} is for --on local: hosts have what geni/cluster.sh gave them")
    options.cpu_share = None
    try:
        hosts = read_hosts(options.on)
    except BadHosts as error:
        raise Wrong(str(error)) from error
    if len(hosts.workers) < CLEAN.workers:
        raise Wrong(f"{options.on} names {len(hosts.workers)} workers: all settings are compared with "
                    f"{CLEAN.workers}")


def mbit(rate):
    """Mbit/s of a rate as imgrec-link takes it, or None."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([kmg]?)bit|0", rate.lower())
    if not found:
        return None
    return float(found.group(1) or 0) * {"": 1e-6, "k": 1e-3, "m": 1, "g": 1e3}[found.group(2) or ""]


def _default_photos():
    """Those that come with some checkouts; else pictures that are made when they are wanted."""
    beside = REPO.parent / "shared/data/photos"
    return str(beside.resolve() if beside.is_dir() else MADE_PICTURES)


def _default_model():
    for name in ("models/googlenet", "models/cifar10-inception"):
        if (REPO / name / "model.pt").is_file():
            return str(REPO / name)
    return str(REPO / "models/googlenet")
