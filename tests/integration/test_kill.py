"""(b) kill -9 of a worker, then of the manager, in the middle of 100 pictures."""
from cluster import wait_until
from pictures import check_fake_answers, pngs
from sockets import check_exactly_once


def run_with_kills(cluster, files, worker_delay_args):
    """Uploads, kills one worker after 10 results and the manager after 30; returns the images and
    every event that the page saw, over both of its sockets."""
    workers = cluster.add_workers(3, *worker_delay_args)
    client = cluster.client
    socket = client.socket(after=0)
    ids = []
    for first in range(0, len(files), 20):
        ids += client.upload(files[first:first + 20])

    socket.read_images(10)
    cluster.kill9_worker(workers[0])
    socket.read_images(30)
    cluster.kill9_manager()
    try:  # what was on its way still arrives
        while True:
            socket.next(5)
    except (ConnectionError, OSError):
        pass
    except Exception as error:  # websocket-client has its own
        assert "closed" in str(error).lower() or "lost" in str(error).lower(), error
    assert len(socket.seen) < len(files), "the kill must come in the middle"

    cluster.restart_manager()
    ledger = cluster.check_ledger()
    assert ledger["accepted"] == len(files), "accepted is durable"
    resumed = client.socket(after=socket.last_seq())
    resumed.read_images(len(files) - len(socket.seen))
    resumed.drain()
    images = client.wait_settled(ids)
    return ids, images, socket.seen + resumed.seen


def test_killing_a_worker_and_the_manager_loses_nothing_and_repeats_nothing(cluster):
    files = pngs(100)
    ids, images, events = run_with_kills(cluster, files, ["--delay-ms", "40"])
    check_exactly_once(events, ids)
    assert {image["state"] for image in images.values()} == {"done"}
    check_fake_answers(images, files)
    assert cluster.ledger() == {"accepted": 100, "done": 100, "failed": 0, "open": 0}


def test_killing_a_worker_and_the_manager_loses_no_real_photo(new_cluster, photos, model):
    cluster = new_cluster(worker="imgrec-worker", worker_args=["--model", model])
    ids, images, events = run_with_kills(cluster, photos, [])
    check_exactly_once(events, ids)
    assert {image["state"] for image in images.values()} == {"done"}
    right = sum(i["name"].startswith(i["top"][0]["label"].split(" ")[0]) for i in images.values())
    print(f"\n{len(images)} photos settled once each, {right} right")
    assert right >= 75
    assert cluster.ledger() == {"accepted": 100, "done": 100, "failed": 0, "open": 0}


def test_killing_the_manager_at_any_moment_keeps_what_was_accepted(cluster):
    """Six kills in a row, each a little later in an upload's life, without any worker; then one
    worker comes and answers all of it."""
    client, ids = cluster.client, []
    for round_number in range(6):
        ids += client.upload(pngs(5, first=5 * round_number))
        if round_number % 2:
            wait_until(lambda: cluster.check_ledger()["open"] == len(ids), "the ledger")
        cluster.kill9_manager()
        cluster.restart_manager()
        assert cluster.check_ledger()["accepted"] == len(ids)
    socket = client.socket(after=0)
    cluster.add_workers(1)
    check_exactly_once(socket.read_images(len(ids)), ids)
    check_fake_answers(client.wait_done(ids), pngs(30))
