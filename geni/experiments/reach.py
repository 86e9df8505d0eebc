"""The browser and the look at the manager's figures, from where this program runs.

    reach = Here(("127.0.0.1", 8080), photos)
    outcome = reach.recognise([3, 1, 4], timeout_s=60, linger_s=1)   # photos by number
    text = reach.get("/metrics")

remote_reach.There does the same from another machine.
"""
import urllib.request

from browser import recognise

PATIENCE_S = 30
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Here:
    def __init__(self, address, photos):
        self._address, self._photos = address, photos

    def recognise(self, numbers, timeout_s, linger_s):
        return recognise(self._address, self._photos.chosen(numbers), timeout_s, linger_s)

    def get(self, path):
        with _OPENER.open("http://{}:{}{}".format(*self._address, path), timeout=PATIENCE_S) as answer:
            return answer.read().decode()
