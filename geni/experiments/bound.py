"""The physical bound of a run: what no system could be faster than, on these workers and links.

    bound_s = one round trip
            + the greater of
                the smallest photo's way over a link + the ideal makespan of all photos
                a worker's share of all bytes over its link + one photo's service

- *Service* is what one worker takes for a photo, computing without a pause under its share of CPU. It is
  measured when a session begins (capacity() below), not taken from the run that is judged.
- *Ideal makespan*: photos are whole. Of n photos on w equal workers one worker has at least
  ceil(n / w), however they are given out. A worker that left and came back computed only while it was
  there, and began anew with what it had begun: floor(time there / service) photos for each stay.
- *The link's goodput* is rate x (1 - loss): no header, no acknowledgement, no waiting.
- Transfer and compute overlap, but for the first photo, which must be there before anything is
  computed, and the last one, which is computed after it came.
- *One round trip* is what a photo's first bit there and its answer back take. It is counted once.

Not in it, so that they count against us: uploading, storing, HTTP, WebSocket, scheduling, TCP's start,
resending what was lost, leaving a worker idle while photos wait.
"""
import math

FOREVER = ((0.0, math.inf),)


def capacity(images, elapsed_s, reported_s):
    """Photos a second of one worker that was never without work. Two measurements of the same photos:
    `elapsed_s` between the first result and the last, of images - 1 photos, in which our own idle
    times are; and `reported_s`, all that the worker says it decoded and inferred, in which time may be
    counted twice where decoding of one photo overlaps inference of another. Each can only be too long,
    so the quicker one is believed: it makes the bound smaller, and harder to keep."""
    return max((images - 1) / elapsed_s, images / reported_s)


def ideal_makespan(images, service_s, stays):
    """Least time in which workers that were there during `stays` ([(from, to), ...] of each) can
    compute so many photos."""
    def done_by(time_s):
        # A hair more time, so that three times a service is three photos whatever floats make of it.
        return sum(math.floor((min(end, time_s) - begin) / service_s + 1e-9)
                   for one in stays for begin, end in one if min(end, time_s) > begin)

    # It ends with a photo, which ends a whole number of services after its worker came.
    begins = sorted({begin for one in stays for begin, end in one if end - begin >= service_s})
    if not begins:
        return math.inf
    best = math.inf
    for begin in begins:
        low, high = 1, images
        while low < high:
            middle = (low + high) // 2
            if done_by(begin + middle * service_s) >= images:
                high = middle
            else:
                low = middle + 1
        if done_by(begin + low * service_s) >= images:
            best = min(best, begin + low * service_s)
    return best


def bound_s(sizes, service_s, stays, round_trip_s, rate_bits, loss):
    """`sizes`: bytes of each photo; `stays`: of each worker, from the run's beginning; `rate_bits`: of
    one link, 0 for no limit; `loss`: share that is lost."""
    goodput = rate_bits / 8 * (1 - loss) if rate_bits else math.inf
    makespan = ideal_makespan(len(sizes), service_s, stays)
    computing = min(sizes) / goodput + makespan
    sending = sum(sizes) / len(stays) / goodput + service_s
    return round_trip_s + max(computing, sending)
