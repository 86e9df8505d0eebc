"""On the manager's host: the browser of the experiments, asked by lines on standard input.

    python3 remote_browser.py PHOTOS HOST:PORT

    {"recognise": [3, 1], "timeout_s": 60, "linger_s": 1}  ->  {"outcome": {...}}
    {"get": "/metrics"}                                    ->  {"text": "..."}
    whatever failed                                        ->  {"error": "..."}
Ends with its standard input.
"""
import dataclasses
import json
import os
import sys

from photos import Photos
from reach import Here


def answer(reach, request):
    try:
        if "get" in request:
            return {"text": reach.get(request["get"])}
        outcome = reach.recognise(request["recognise"], request["timeout_s"], request["linger_s"])
        return {"outcome": dataclasses.asdict(outcome)}
    except Exception as error:  # it is told to the one who asked
        return {"error": f"{type(error).__name__}: {error}"}


def main(folder, address):
    host, port = address.rsplit(":", 1)
    reach = Here((host, int(port)), Photos(folder))
    print(json.dumps({"photos": len(Photos(folder))}), flush=True)
    try:
        for line in sys.stdin:
            print(json.dumps(answer(reach, json.loads(line))), flush=True)
    except BrokenPipeError:  # nobody waits for that answer any more
        os._exit(0)  # with nothing more to be said to nobody


if __name__ == "__main__":
    main(*sys.argv[1:])
