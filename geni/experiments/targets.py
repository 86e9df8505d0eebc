"""What the system is to reach, in one place; findings.py holds the runs against it."""

OVER_BOUND = 1.5  # 5 photos: total time over its physical bound, at most, for every setting
FASTER = 20  # 5 photos, clean: times faster than the course project's total time
DELAY = ("500", 0.95)  # many photos: setting, and r to keep
LOSS = ("15", {"bbr": 0.95, "cubic": 0.6})  # by congestion control, as CUBIC takes every loss for congestion
FAILURE = ("0.5", 0.90)  # many photos: of the capacity that was up
LINEAR = 0.95  # many photos: speed-up over the number of workers
