"""The experiments' command line; run.sh calls it, and has no more to say than where Python is.

Outside: options, plan, results folder. Inside, for --on local: in namespaces of its own (isolate.py),
which end with all that is in them, however this ends.
"""
import argparse
import datetime
import fcntl
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "lab")]
import environment  # noqa: E402
import isolate  # noqa: E402
from cpu_share import CpuShares, NoCpuShares  # noqa: E402
from hosts import Ssh, read_hosts  # noqa: E402
from hosts_backend import HostsBackend  # noqa: E402
from local_backend import LocalBackend, LocalOptions  # noqa: E402
from made_pictures import MADE_PICTURES, make_pictures  # noqa: E402
from options import Wrong, mbit, parse, plan_of  # noqa: E402
from owner import as_caller, give  # noqa: E402
from photos import Photos, paths_in  # noqa: E402
from plan import expected_s  # noqa: E402
from progress import in_words  # noqa: E402
from session import Session  # noqa: E402

GUESSED_CORE_S, CALIBRATION_S = 0.0275, 25  # of a core, for a photo: before anything was measured
BUSY = 0.7  # load of a machine that has something else to do
SHARES = "imgrec-experiments-"
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PROGRAMS = ("imgrec-manager", "imgrec-worker", "imgrec-link")


def say(text):
    print(text, flush=True)


def complain(text):
    print(f"run.sh: {text}", file=sys.stderr, flush=True)


# ---- outside ---------------------------------------------------------------------------------------

def outside(options):
    plan = plan_of(options)
    if options.dry_run:
        print_plan(plan, options.cpu_share)
        return 0
    local = options.on == "local"
    reason = machine_reason(options) if local else None
    if not reason and not options.check:
        reason = photos_reason(options) or (local and (build(options) or programs_reason(options)))
    if reason:
        complain(reason)
        return 3
    if options.check:
        return 0
    folder = pathlib.Path(options.out)
    if (folder / "runs.csv").exists() and not options.resumed:
        complain(f"there are results in {folder} already: --resume {folder} goes on with them, --out "
                 "names another folder")
        return 2
    prepare(folder, options)
    try:
        code = run_local(options, folder) if local else run_on_hosts(options, plan, folder)
        return conclude(folder, code)
    finally:
        give(folder)


def prepare(folder, options):
    """The results' folder, with what is known before anything is measured."""
    if REPO / "build" in folder.parents:
        make_for_caller(REPO / "build" / "experiments")
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    say(f"Results: {folder}")
    photos = Photos(options.photos).digest()
    known = folder / "plan.json"
    if options.resumed:
        before = json.loads(known.read_text()).get("photos_sha256")
        if before != photos:
            raise Wrong(f"the photos in {options.photos} are others than those of the runs in {folder}")
    write_json(folder / "environment.json", environment.describe(options.bin_dir, options.model))
    write_json(known, {**options.asked, "photos_sha256": photos})


def make_for_caller(folder):
    """In build/, of which nothing may be root's."""
    for one in (REPO / "build", folder):
        if not one.exists():
            one.mkdir()
            give(one)


def run_local(options, folder):
    """In namespaces that end with everything in them."""
    remove_leftovers()
    if os.getloadavg()[0] > BUSY:
        say(f"This machine's load is {os.getloadavg()[0]:.1f}: while other programs compute here, figures "
            "are of them too")
    shares = f"{SHARES}{os.getpid()}"
    inner = [sys.executable, "-B", str(HERE / "experiments.py"), "--inside", str(folder), shares,
             json.dumps(vars(options), default=str)]
    try:
        # A session of its own: Ctrl-C reaches this process only, which then ends that one.
        return isolate.run(inner, start_new_session=True)
    finally:
        CpuShares(shares).remove()
        shutil.rmtree(folder / ".data", ignore_errors=True)


def remove_leftovers():
    """Control groups of sessions that were killed, and could not remove them."""
    for folder in CpuShares(SHARES).folder.parent.glob(f"{SHARES}*"):
        number = folder.name.removeprefix(SHARES)
        if number.isdigit() and not pathlib.Path(f"/proc/{number}").exists():
            CpuShares(folder.name).remove()


class Stopped(BaseException):
    """By a signal, whose number it has."""


def run_on_hosts(options, plan, folder):
    def stop(number, _frame):
        raise Stopped(number)

    for number in STOPPING:
        signal.signal(number, stop)
    hosts = read_hosts(options.on)
    backend = HostsBackend(hosts, Ssh(options.ssh_config), options.photos, up_command(options), say)
    try:
        backend.start()
        about = backend.about()
        known = json.loads((folder / "environment.json").read_text())
        write_json(folder / "environment.json", {**known, "hosts": about})
        columns = {**facts(folder), "kernel": about["manager"]["kernel"],
                   "program_version": about["manager"].get("program_version")}
        return Session(backend, plan, Photos(options.photos), folder, options.seed, columns, say).run()
    except Stopped as stopped:
        return 128 + stopped.args[0]
    finally:
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
        say("Putting links and workers back as they were")
        backend.close()


def up_command(options):
    command = [str(HERE.parent / "cluster.sh"), "up", "--hosts", options.on]
    for flag in ("package", "token_file", "ssh_config", "model"):
        value = getattr(options, flag)
        if value and (flag != "model" or "model" in options.given):
            command += ["--" + flag.replace("_", "-"), str(value)]
    return command


def conclude(folder, code):
    if code >= 128 or code < 0:
        say(f"Stopped. What was measured is kept; to go on: geni/experiments/run.sh --resume {folder}")
        return code if code >= 128 else 1
    if code in (0, 1) and (HERE / "report.py").exists():
        done = subprocess.run([sys.executable, "-B", HERE / "report.py", folder], check=False)
        code = code or done.returncode
    return code


def photos_reason(options):
    try:
        if pathlib.Path(options.photos) == MADE_PICTURES:
            make_for_caller(MADE_PICTURES)
            make_pictures(MADE_PICTURES)
            give(MADE_PICTURES)
            say("No --photos: pictures of noise, made here, are sent. Figures are for photos only with photos")
        paths_in(options.photos)
    except OSError as error:
        return str(error)
    return None


def machine_reason(options):
    """Why this machine cannot have the namespaces, links and shares of CPU, or None."""
    if not shutil.which("ip") or not shutil.which("ss"):
        return "ip and ss are missing: apt-get install iproute2"
    reason = isolate.reason_against() or cpu_reason(options)
    if reason:
        return reason
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        return f"there is no TUN device to be had, which links need: /dev/net/tun: {error.strerror}"
    return None


def programs_reason(options):
    missing = [name for name in PROGRAMS if not os.access(options.bin_dir / name, os.X_OK)]
    if missing:
        return f"there is no {missing[0]} in {options.bin_dir}: build it, or name another --bin-dir"
    if not (options.model / "model.pt").is_file() or not (options.model / "model.yaml").is_file():
        return f"{options.model} is no model folder: model.pt and model.yaml are not both in it"
    return None


def build(options):
    """Builds what is missing or older than its sources, where no --bin-dir says that it is there; why it
    cannot be done, or None."""
    if options.bin_dir_given:
        return None
    log, lock_file = REPO / "build" / "experiments-build.log", REPO / "build" / ".lock"
    make_for_caller(log.parent)
    with open(lock_file, "w") as lock, open(log, "w") as out:
        give(lock_file)
        give(log)
        fcntl.flock(lock, fcntl.LOCK_EX)  # as ./run.sh does: two must not build at the same time
        for command in (["cmake", "--preset", "release"],
                        ["cmake", "--build", "--preset", "release", "--target", *PROGRAMS]):
            try:
                code = subprocess.run(command, cwd=REPO, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                      check=False, **as_caller()).returncode
            except OSError as error:
                return f"{command[0]} cannot be run: {error.strerror}. ci/install-deps.sh installs what it needs"
            if code != 0:
                return f"the build failed: {log} says why. ci/install-deps.sh installs what it needs"
    return None


def cpu_reason(options):
    shares = None
    try:
        shares = CpuShares(f"{SHARES}{os.getpid()}")
        shares.limited("try", options.cpu_share, [])
    except NoCpuShares as error:
        return f"workers cannot be given shares of CPU: {error}"
    finally:
        if shares:
            shares.remove()
    return None


def print_plan(plan, cpu_share):
    share = min(cpu_share or 1, 1)
    expected = list(zip(plan.runs, expected_s(plan.runs, GUESSED_CORE_S / share)))
    for series in plan.series:
        for setting in plan.settings:
            took = [s for run, s in expected if run.setting == setting and run.images == series.images]
            say(f"{setting.name:40} {series.images:6} photos, {len(took)} runs, some {sum(took):.0f} s")
    total = in_words(CALIBRATION_S + sum(s for _, s in expected))
    say(f"{len(plan.runs)} runs, some {total} with GoogLeNet on {share:g} of a core for each worker")


def write_json(path, what):
    new = path.with_suffix(".new")
    new.write_text(json.dumps(what, indent=1) + "\n")
    new.rename(path)


def facts(folder):
    """Columns that are the same in every row."""
    known = json.loads((folder / "environment.json").read_text())
    return {"git_revision": known["git_revision"], "kernel": platform.release(),
            "program_version": known["programs"]["imgrec-manager"]}


# ---- inside: namespaces of our own -----------------------------------------------------------------

def inside(folder, shares_name, text):
    # The process outside hears the signals too, and ends everything here.
    for number in STOPPING:
        signal.signal(number, lambda *_: None)
    options = argparse.Namespace(**json.loads(text))
    plan = plan_of(options)
    folder, bin_dir = pathlib.Path(folder), pathlib.Path(options.bin_dir)
    photos = Photos(options.photos)
    backend = LocalBackend(LocalOptions(
        bin_dir=bin_dir, model=pathlib.Path(options.model),
        workers=max(setting.workers for setting in plan.settings), rate=options.rate,
        rate_mbit=mbit(options.rate),
        base_delay_ms=options.base_delay, congestion=options.congestion, cpu_share=options.cpu_share,
        seed=options.seed, manager_flags=options.manager_flags, worker_flags=options.worker_flags,
        link_flags=options.link_flags), photos, folder / "logs", CpuShares(shares_name))
    backend.start()
    try:
        return Session(backend, plan, photos, folder, options.seed, facts(folder), say).run()
    finally:
        backend.close()


def main(arguments):
    try:
        if arguments[:1] == ["--inside"]:
            return inside(*arguments[1:])
        options = parse(arguments, now=datetime.datetime.now(datetime.timezone.utc))
        return outside(options)
    except Wrong as error:
        complain(str(error))
        return 2
    except (RuntimeError, OSError, ValueError) as error:
        complain(str(error))
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
