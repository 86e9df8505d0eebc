"""(d, e, g) Workers come, go, hang, drain and fail; what was accepted settles all the same."""
import threading

from cluster import wait_until
from pictures import check_fake_answers, pngs
from sockets import check_exactly_once


def test_pictures_wait_for_the_first_worker(cluster):
    ids = cluster.client.upload(pngs(5))
    assert cluster.ledger()["open"] == 5
    assert {i["state"] for i in cluster.client.images()} == {"queued"}
    cluster.add_workers(1)
    check_fake_answers(cluster.client.wait_done(ids), pngs(5))


def test_workers_come_and_go_under_load(cluster):
    """Three generations of workers: killed, told to leave, replaced."""
    client, files = cluster.client, pngs(120)
    socket = client.socket(after=0)
    generation = cluster.add_workers(2, "--delay-ms", "20")
    ids = client.upload(files[:60])
    socket.read_images(10)
    cluster.kill9_worker(generation[0])
    newer = cluster.add_workers(2, "--delay-ms", "20")
    ids += client.upload(files[60:])
    socket.read_images(40)
    assert generation[1].terminate() == 0
    assert newer[0].terminate() == 0
    socket.read_images(60)
    cluster.kill9_worker(newer[1])
    wait_until(lambda: not cluster.cluster()["workers"], "the cluster to be without workers")
    assert 0 < cluster.check_ledger()["open"] <= 60
    cluster.add_workers(3)
    check_exactly_once(socket.read_images(120), ids)
    check_fake_answers(client.wait_done(ids), files)


def test_slow_worker_times_out_and_another_one_answers_once(new_cluster):
    cluster = new_cluster(manager_args=[
        "--scheduler-first-timeout", "1s", "--scheduler-min-timeout", "1s",
        "--scheduler-max-timeout", "2s"])
    client = cluster.client
    slow = cluster.add_workers(1, "--delay-ms", "5000", "--credit", "2")[0]
    ids = client.upload(pngs(2))
    socket = client.socket(after=0)
    wait_until(lambda: cluster.attempts("assigned") >= 1, "the slow worker to be given work")
    cluster.add_workers(1)
    check_exactly_once(socket.read_images(2), ids)
    images = client.wait_done(ids)
    assert {i["worker"] for i in images.values()} == {cluster.workers[1].name}
    check_fake_answers(images, pngs(2))
    assert cluster.attempts("timed_out") >= 1
    # The slow one's answer comes in the end, or was called off; nobody sees a second result.
    slow.signal(15)
    assert slow.wait() == 0
    socket.drain()
    check_exactly_once(socket.seen, ids)
    assert cluster.ledger() == {"accepted": 2, "done": 2, "failed": 0, "open": 0}


def test_sigterm_of_a_worker_under_load_is_clean_and_loses_nothing(cluster):
    leaving, _ = cluster.add_workers(2, "--delay-ms", "50")
    files = pngs(40)
    ids = cluster.client.upload(files)
    wait_until(lambda: cluster.ledger()["done"] >= 5, "some results")
    assert leaving.terminate() == 0, leaving.tail()
    images = cluster.client.wait_done(ids)
    check_fake_answers(images, files)
    assert cluster.attempts("dropped") == 0, "a draining worker's answers count"
    assert len(cluster.ready_workers()) == 1


def test_sigterm_of_the_manager_under_load_is_clean_and_loses_nothing(new_cluster):
    cluster = new_cluster(manager_args=["--shutdown-drain", "1s"])
    cluster.add_workers(2, "--delay-ms", "50")
    client, files = cluster.client, pngs(150)
    ids = client.upload(files[:50])
    accepted, stop = [], threading.Event()

    def keep_uploading():  # until the manager says that it is going away
        for file in files[50:]:
            if stop.is_set():
                return
            try:
                response = client.post("/api/v1/images", files=[("file", file)])
            except OSError:
                return
            if response.status_code != 202:
                return
            accepted.append(response.json()["images"][0]["id"])

    uploader = threading.Thread(target=keep_uploading)
    uploader.start()
    wait_until(lambda: cluster.ledger()["done"] >= 10, "some results")
    assert cluster.manager.terminate() == 0, cluster.manager.tail()
    stop.set()
    uploader.join()
    assert "manager_stopped" in cluster.manager.log()
    cluster.restart_manager()
    ids += accepted
    ledger = cluster.check_ledger()
    # An upload whose 202 was cut off may have been kept, but never the other way round.
    assert len(ids) <= ledger["accepted"] <= len(ids) + 1
    images = client.wait_done(ids)
    check_fake_answers(images, files)
    assert all(w.alive() for w in cluster.workers), "workers wait for their manager"


def test_workers_that_fail_at_random_under_a_supervisor_lose_nothing(new_cluster):
    """As the course project's workers did: each may leave at any image, and is started again.
    They say farewell, so no image is set aside for meeting the dice often."""
    cluster = new_cluster()
    files = pngs(60)
    arguments = ["--fail-probability", "0.2", "--delay-ms", "5"]
    running = [cluster.add_worker(*arguments) for _ in range(3)]
    socket = cluster.client.socket(after=0)
    ids = cluster.client.upload(files)
    failures = 0
    while len(socket.seen) < len(files):
        for slot, worker in enumerate(running):
            if not worker.alive():
                failures += 1
                worker.killed = True  # by its own dice
                running[slot] = cluster.add_worker(*arguments)
        socket.next(0.2)
        assert failures < 500
    check_exactly_once(socket.seen, ids)
    images = cluster.client.wait_settled(ids)
    done = {i: image for i, image in images.items() if image["state"] == "done"}
    print(f"\n{failures} failures, {len(done)} of {len(ids)} done")
    assert failures > 0, "the dice must fall at least once in 60 images"
    assert len(done) == len(ids), [i["error"] for i in images.values() if i["error"]]
    check_fake_answers(done, files)
    for worker in running:
        worker.killed = worker.killed or not worker.alive()
