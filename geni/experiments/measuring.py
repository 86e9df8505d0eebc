"""One run, measured: what goes into its row of runs.csv.

    calibration = calibrate(backend, photos, timeout_s)    # when a session begins
    if backend.ready(run.setting):
        warm_up(backend, run.setting, photos, timeout_s)
    row = measure(backend, run, photos, calibration, seed, timeout_s)
"""
import dataclasses
import datetime

import bound
import presence
from browser import RunFailed
from figures import attempts, balances, ledger, mean_rtt_ms, retransmissions, wire_bits
from plan import CLEAN, choose_photos

SETTLE_S = 1.1  # the manager looks at its connections once a second
LEAST_CALIBRATION, CALIBRATIONS = 40, 3  # photos each time, times
WARM_UP_PER_WORKER = 2


@dataclasses.dataclass
class Calibration:
    """What one worker alone does on the clean link."""

    labels: dict  # name of a photo: its best class
    images_per_s: float
    model_digest: str


def calibrate(backend, photos, timeout_s):
    """Labels and speed of one worker alone, by every photo there is, some times over. Whatever else the
    machine does makes a worker slower, never quicker, so the best time is taken."""
    alone = dataclasses.replace(CLEAN, key="1", workers=1)
    backend.ready(alone)
    backend.reach.recognise(range(min(4, len(photos))), timeout_s, 0)  # warm
    numbers = [n for _ in range(-(-LEAST_CALIBRATION // len(photos))) for n in range(len(photos))]
    labels, speed = {}, 0.0
    for _ in range(CALIBRATIONS):
        outcome = backend.reach.recognise(numbers, timeout_s, 0)
        labels = {photos.files[numbers[index]][0]: _label(outcome.shown[image])
                  for image, index in outcome.photos.items()}
        speed = max(speed, bound.capacity(len(numbers), outcome.total_s - outcome.first_s,
                                          _compute_s(outcome)))
    return Calibration(labels, speed, model_digest(backend))


def model_digest(backend):
    """REQUIRES: a worker is ready."""
    return backend.figures.cluster()["model"]["digest"]


def warm_up(backend, setting, photos, timeout_s):
    """What a new manager learns of its workers, and TCP of its paths, from the first photos."""
    count = WARM_UP_PER_WORKER * setting.workers
    numbers = choose_photos(len(photos), count, "warm", 0)
    backend.reach.recognise(numbers, timeout_s, SETTLE_S)
    backend.wait_idle()


def measure(backend, run, photos, calibration, seed, timeout_s):
    setting = run.setting
    numbers = choose_photos(len(photos), run.images, seed, run.repeat)
    files = photos.chosen(numbers)
    before = backend.figures.metrics()
    backend.begin_run()
    outcome = backend.reach.recognise(numbers, timeout_s, SETTLE_S + 4 * setting.delay_ms / 1000)
    ended = backend.end_run()
    after, cluster = backend.figures.metrics(), backend.figures.cluster()
    if not balances(ledger(after)):
        raise RunFailed(f"the manager's ledger does not balance: {ledger(after)}")
    stays = presence.stays_of(backend.manager_log(), backend.worker_names(), outcome.started,
                              outcome.started + outcome.total_s)
    sizes = [len(data) for _, data in files]
    return {
        "experiment": setting.experiment, "setting": setting.key, "workers": setting.workers,
        "failure_probability": setting.failure, "delay_ms": setting.delay_ms,
        "loss_percent": setting.loss_percent, "images": run.images, "repeat": run.repeat, "seed": seed,
        "started": _iso(outcome.started), "total_s": outcome.total_s, "image_bytes": sum(sizes),
        "throughput_mbit": sum(sizes) * 8 / outcome.total_s / 1e6,
        "images_per_s": run.images / outcome.total_s, "compute_s": _compute_s(outcome),
        "capacity_images_per_s": setting.workers * calibration.images_per_s,
        "worker_up_s": presence.total(stays),
        "bound_s": _bound_s(backend, setting, sizes, stays, outcome, calibration),
        **{name: ledger(after)[name] - ledger(before)[name] for name in ledger(after)},
        "doubled": outcome.doubled, "label_mismatches": _mismatches(outcome, files, calibration.labels),
        "resent": attempts(after, "resent") - attempts(before, "resent"),
        "duplicates_dropped": attempts(after, "dropped") - attempts(before, "dropped"),
        "rtt_ms": mean_rtt_ms(cluster),
        "retransmissions": _grown(retransmissions(before), retransmissions(after)),
        "model_digest": calibration.model_digest, **ended, **wire_bits(before, after),
    }


def _bound_s(backend, setting, sizes, stays, outcome, calibration):
    """Workers that do not fail are there as long as it takes, not only as long as it took."""
    there = [tuple(found) if setting.failure and name == "worker-1" else bound.FOREVER
             for name, found in stays.items()]
    link = backend.link
    return bound.bound_s(sizes, 1 / calibration.images_per_s, there,
                         2 * (link.base_delay_ms + setting.delay_ms) / 1000, link.rate_bits,
                         setting.loss_percent / 100)


def _label(image):
    return image["top"][0]["index"] if image["state"] == "done" else None


def _mismatches(outcome, files, labels):
    return sum(_label(image) is None or _label(image) != labels[files[outcome.photos[identity]][0]]
               for identity, image in outcome.shown.items())


def _compute_s(outcome):
    timings = [image["timing_ms"] for image in outcome.shown.values() if image["timing_ms"]]
    return sum(timing["decode"] + timing["inference"] for timing in timings) / 1000


def _grown(before, after):
    return None if before is None or after is None else after - before


def _iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="milliseconds")
