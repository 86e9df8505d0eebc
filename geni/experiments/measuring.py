"""One run, measured: what goes into its row of runs.csv.

    calibration = calibrate(backend, photos, timeout_s)    # when a session begins
    backend.ready(run.setting)
    warm_up(backend, run.setting, photos, timeout_s)
    row, violation = measure(backend, run, photos, calibration, seed, timeout_s)
"""
import dataclasses
import datetime

import bound
import presence
from browser import RunFailed
from figures import attempts, balances, grown, ledger, mean_rtt_ms, retransmissions, wire_bits
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
    service_s: dict  # name of a photo: what a worker takes for it


def calibrate(backend, photos, timeout_s):
    """Labels and speed of one worker alone, by every photo there is, some times over. Whatever else the
    machine does makes a worker slower, never quicker, so the best time is taken."""
    alone = dataclasses.replace(CLEAN, key="1", workers=1)
    backend.ready(alone)
    backend.reach.recognise(range(min(4, len(photos))), timeout_s, 0).whole()  # warm
    numbers = [n for _ in range(-(-LEAST_CALIBRATION // len(photos))) for n in range(len(photos))]
    labels, reported, speed = {}, {}, 0.0
    for _ in range(CALIBRATIONS):
        outcome = backend.reach.recognise(numbers, timeout_s, 0).whole()
        _stays(backend, alone, outcome)  # rather now than after the first run
        for image, index in outcome.photos.items():
            name, shown = photos.files[numbers[index]][0], outcome.shown[image]
            labels[name] = _label(shown)
            reported.setdefault(name, []).append(_reported_s(shown))
        if not _compute_s(outcome):
            raise RunFailed("a worker recognised none of the photos: its log says why")
        speed = max(speed, bound.capacity(len(numbers), outcome.total_s - outcome.first_s,
                                          _compute_s(outcome)))
    return Calibration(labels, speed, model_digest(backend), bound.services(reported, speed))


def model_digest(backend):
    """REQUIRES: a worker is ready."""
    return backend.figures.cluster()["model"]["digest"]


def warm_up(backend, setting, photos, timeout_s):
    """What a new manager learns of its workers, and TCP of its paths, from the first photos."""
    count = WARM_UP_PER_WORKER * setting.workers
    numbers = choose_photos(len(photos), count, "warm", 0)
    backend.reach.recognise(numbers, timeout_s, SETTLE_S).whole()
    backend.wait_idle()


def measure(backend, run, photos, calibration, seed, timeout_s):
    """(row, violation). A violation, in words or "", is a photo that was lost, or a ledger that does not
    balance: the row has what was counted then, and no times. It must not be measured again as if nothing
    had been. Raises RunFailed where the run says nothing about imgrec."""
    setting = run.setting
    numbers = choose_photos(len(photos), run.images, seed, run.repeat)
    files = photos.chosen(numbers)
    before = backend.figures.metrics()
    backend.begin_run()
    outcome = backend.reach.recognise(numbers, timeout_s, SETTLE_S + 4 * setting.delay_ms / 1000)
    ended = backend.end_run()
    after, cluster = backend.figures.metrics(), backend.figures.cluster()
    row = {
        "experiment": setting.experiment, "setting": setting.key, "workers": setting.workers,
        "failure_probability": setting.failure, "delay_ms": setting.delay_ms,
        "loss_percent": setting.loss_percent, "images": run.images, "repeat": run.repeat, "seed": seed,
        "started": _iso(outcome.started), "image_bytes": sum(len(data) for _, data in files),
        "compute_s": _compute_s(outcome),
        "capacity_images_per_s": setting.workers * calibration.images_per_s,
        **_ledger_growth(before, after),
        "doubled": outcome.doubled, "label_mismatches": _mismatches(outcome, files, calibration.labels),
        "resent": grown(attempts(before, "resent"), attempts(after, "resent")),
        "duplicates_dropped": grown(attempts(before, "dropped"), attempts(after, "dropped")),
        "rtt_ms": mean_rtt_ms(cluster),
        "retransmissions": grown(retransmissions(before), retransmissions(after)),
        "model_digest": calibration.model_digest, **ended, **wire_bits(before, after),
    }
    violation = outcome.fault
    if not violation and not balances(ledger(after)):
        violation = f"the manager's ledger does not balance: {ledger(after)}"
    if not violation:
        row.update(_times(backend, setting, files, outcome, calibration))
    return row, violation


def _times(backend, setting, files, outcome, calibration):
    """Columns of a run whose results were all there."""
    stays = _stays(backend, setting, outcome)
    total_bits = 8 * sum(len(data) for _, data in files)
    return {
        "total_s": outcome.total_s, "throughput_mbit": total_bits / outcome.total_s / 1e6,
        "images_per_s": len(files) / outcome.total_s, "worker_up_s": presence.total(stays),
        "bound_s": _bound_s(backend, setting, files, stays, calibration),
    }


def _stays(backend, setting, outcome):
    """When each worker was there. Raises RunFailed where a log without its lines would say that nobody was."""
    stays = presence.stays_of(backend.manager_log(), backend.worker_names(), outcome.started,
                              outcome.started + outcome.total_s)
    unseen = [name for name, found in stays.items() if not found and not _may_fail(setting, name)]
    if unseen or not any(stays.values()):
        raise RunFailed(f"the manager's log does not say that {', '.join(unseen) or 'any worker'} was there, "
                        "though photos were recognised: does a --log-level hide worker_joined?")
    return stays


def _may_fail(setting, name):
    return setting.failure > 0 and name == "worker-1"


def _ledger_growth(before, after):
    before, after = ledger(before), ledger(after)
    for name in ("accepted", "done", "failed"):
        if after[name] < before[name]:
            raise RunFailed(f"the manager's count of photos that are {name} went back from {before[name]} to "
                            f"{after[name]}: it began anew during the run")
    return {name: after[name] - before[name] for name in after}


def _bound_s(backend, setting, files, stays, calibration):
    """Workers that do not fail are there as long as it takes, not only as long as it took."""
    there = [tuple(found) if _may_fail(setting, name) else bound.FOREVER for name, found in stays.items()]
    link = backend.link
    return bound.bound_s([len(data) for _, data in files], [calibration.service_s[name] for name, _ in files],
                         there, 2 * (link.base_delay_ms + setting.delay_ms) / 1000, link.rate_bits,
                         setting.loss_percent / 100, backend.head_start_s)


def _label(image):
    return image["top"][0]["index"] if image["state"] == "done" else None


def _mismatches(outcome, files, labels):
    return sum(_label(image) is None or _label(image) != labels[files[outcome.photos[identity]][0]]
               for identity, image in outcome.shown.items() if identity in outcome.photos)


def _compute_s(outcome):
    return sum(_reported_s(image) for image in outcome.shown.values())


def _reported_s(image):
    """By its worker, for decoding and inference; none of a photo that failed."""
    timing = image["timing_ms"]
    return (timing["decode"] + timing["inference"]) / 1000 if timing else 0.0


def _iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="milliseconds")
