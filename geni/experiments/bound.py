"""The physical bound of a run: what no system could be faster than, on these workers and links.

    bound_s = one round trip
            + the greater of
                the smallest photo's way over a link + the ideal makespan of all photos
                a worker's share of all bytes over its link + the shortest service

- *Service* is what one worker takes for a photo, computing without a pause under its share of CPU. It is
  measured when a session begins (capacity() and services() below), for each photo, not taken from the run
  that is judged.
- *Ideal makespan*: the workers have the time for all photos together, and photos are whole: of n photos on
  w equal workers one worker has at least ceil(n / w), however they are given out, at best the shortest;
  and one has the longest. A worker that left and came back computed only while it was there, and began anew
  with what it had begun.
- *A head start*: a worker that was idle has its share of CPU saved up (cpu_share.head_start_s), and is so
  much sooner done than its steady service says.
- *The link's goodput* is rate x (1 - loss): no header, no acknowledgement, no waiting.
- Transfer and compute overlap, but for the first photo, which must be there before anything is
  computed, and the last one, which is computed after it came.
- *One round trip* is what a photo's first bit there and its answer back take. It is counted once.

Not in it, so that they count against us: uploading, storing, HTTP, WebSocket, scheduling, what TCP waits
for, resending what was lost, leaving a worker idle while photos wait.
"""
import bisect
import itertools
import math

FOREVER = ((0.0, math.inf),)


def capacity(images, elapsed_s, reported_s):
    """Photos a second of one worker that was never without work. Two measurements of the same photos:
    `elapsed_s` between the first result and the last, of images - 1 photos, in which our own idle
    times are; and `reported_s`, all that the worker says it decoded and inferred, in which time may be
    counted twice where decoding of one photo overlaps inference of another. Each can only be too long,
    so the quicker one is believed: it makes the bound smaller, and harder to keep."""
    return max((images - 1) / elapsed_s, images / reported_s)


def services(reported_s, images_per_s):
    """{name: seconds} of photos, of what workers report for each of them ({name: [seconds, ...]}): as long
    to each other as those are, and at `images_per_s` on average."""
    means = {name: sum(times) / len(times) for name, times in reported_s.items()}
    scale = 1 / images_per_s / (sum(means.values()) / len(means))
    return {name: scale * mean for name, mean in means.items()}


HALVINGS = 50  # of the time that is looked for
HAIR = 1 + 1e-9  # so that three times a service is three photos, whatever floats make of it


def ideal_makespan(service_s, stays, head_start_s=0.0):
    """Least time in which workers that were there during `stays` ([(from, to), ...] of each) can compute
    photos that take so long each."""
    shortest_first = list(itertools.accumulate(sorted(service_s)))
    total, longest = shortest_first[-1], max(service_s)

    def enough(time_s):
        spans = [min(end, time_s) - begin + head_start_s
                 for one in stays for begin, end in one if min(end, time_s) > begin]
        photos = sum(bisect.bisect_right(shortest_first, span * HAIR) for span in spans)
        return photos >= len(service_s) and sum(spans) * HAIR >= total and max(spans) * HAIR >= longest

    begins = [begin for one in stays for begin, _ in one]
    low, high = 0.0, max(begins, default=0.0) + total
    if not enough(high):
        return math.inf
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def bound_s(sizes, service_s, stays, round_trip_s, rate_bits, loss, head_start_s=0.0):
    """`sizes`, `service_s`: of each photo; `stays`: of each worker, from the run's beginning; `rate_bits`:
    of one link, 0 for no limit; `loss`: share that is lost."""
    goodput = rate_bits / 8 * (1 - loss) if rate_bits else math.inf
    computing = min(sizes) / goodput + ideal_makespan(service_s, stays, head_start_s)
    sending = sum(sizes) / len(stays) / goodput + max(0.0, min(service_s) - head_start_s)
    return round_trip_s + max(computing, sending)
