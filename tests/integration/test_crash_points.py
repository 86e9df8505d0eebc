"""kill -9 of the manager at every call to the disk that an upload makes: strace kills it at the N-th
call of the storage thread, for N = 1, 2, 3 … until an upload gets through. Whatever N is: an image
that got a 202 is there and settles done, one that got none is absent or settles, the ledger
balances and no file is left over.

Where that takes longer than TIME_S for one size of upload, the last N are left out, unless
IMGREC_EXHAUSTIVE=1."""
import itertools
import os
import time

import pytest
import requests

from cluster import PATIENCE_S
from disk import DISK_CALLS, Injection, check_data_directory, need_strace
from pictures import check_fake_answers, pngs

TIME_S = 20
MOST_CALLS = 400


def try_upload(client, files):
    """The ids, or None where the manager died before it answered."""
    try:
        return client.upload(files)
    except requests.exceptions.ConnectionError:
        return None


def answers(cluster):
    try:
        return requests.get(f"http://{cluster.http_address}/healthz", timeout=PATIENCE_S).ok
    except requests.exceptions.ConnectionError:
        return False


@pytest.mark.parametrize("count", [1, 5], ids=["one photo", "five photos"])
def test_kill_at_every_call_to_the_disk(new_cluster, tmp_path, count):
    need_strace()
    cluster = new_cluster()
    client, confirmed, sent = cluster.client, {}, []
    exhaustive = os.environ.get("IMGREC_EXHAUSTIVE") == "1"
    last = {}  # the first N of each kind that an upload does not reach
    deadline = time.monotonic() + TIME_S
    kills = 0
    for n, call in itertools.product(range(1, MOST_CALLS), DISK_CALLS):
        if n >= last.get(call, MOST_CALLS):
            continue
        if not exhaustive and time.monotonic() > deadline:
            break
        files = pngs(count, first=len(sent))
        sent += files
        injection = Injection(cluster.manager, [call], f"signal=SIGKILL:when={n}",
                              tmp_path / "strace.log")
        ids = try_upload(client, files)
        if ids is not None:
            confirmed.update(zip(ids, files))
            time.sleep(0.02)  # what is done after the answer may meet the N-th call, too
        injection.end()
        if ids is None or not answers(cluster):
            cluster.manager.process.wait(PATIENCE_S)
        if cluster.manager.alive():
            last[call] = n
            continue
        cluster.manager.killed = True
        kills += 1
        cluster.restart_manager()
        client.http.close()
        check_data_directory(cluster.data)
        cluster.check_ledger()
        stored = {image["id"]: image for image in client.images()}
        assert confirmed.keys() <= stored.keys(), (call, n)
        assert all(image["state"] == "queued" for image in stored.values()), (call, n)
    cluster.add_workers(1)
    stored = [image["id"] for image in client.images()]
    images = client.wait_done(stored)
    check_fake_answers(images, sent)
    ledger = cluster.check_ledger()
    assert ledger == {"accepted": len(stored), "done": len(stored), "failed": 0, "open": 0}
    print(f"\n{kills} kills, {len(sent)} photos sent, {len(confirmed)} confirmed, "
          f"{len(stored)} stored and done; calls reached: {last}")
    assert kills >= 8
    assert len(last) == len(DISK_CALLS) or not exhaustive
