"""The time that is left, by how long what is done really took."""
import time


class Progress:
    """`expected`: seconds that each piece of work was thought to take, in order."""

    def __init__(self, expected, clock=time.monotonic):
        self._expected, self._clock = expected, clock
        self._begin = clock()
        self._done = 0

    def done(self, number):
        """The piece of that number is done, and all before it."""
        self._done = number + 1

    def left_s(self):
        """Expected times, made longer or shorter as those that are done were."""
        known = sum(self._expected[:self._done])
        rest = sum(self._expected[self._done:])
        return rest * (self._clock() - self._begin) / known if known else rest

    def left(self):
        return in_words(self.left_s())


def in_words(seconds):
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
