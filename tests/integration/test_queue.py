"""The bounded queue as clients meet it, and images that are removed for their age."""
from concurrent.futures import ThreadPoolExecutor

from cluster import Client, wait_until
from pictures import png, pngs


def post(client, files):
    return client.post("/api/v1/images", files=[("file", file) for file in files])


def check_refused(response, status, code):
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == code, response.text
    if status == 429:
        assert 1 <= int(response.headers["Retry-After"]) <= 120


def refusals(cluster, reason):
    return cluster.metrics()[f'imgrec_uploads_refused_total{{reason="{reason}"}}']


def test_concurrent_uploads_never_overshoot_the_count(new_cluster):
    cluster = new_cluster(manager_args=["--scheduler-max-open", 10,
                                        "--scheduler-session-share", 100])
    clients = [Client(cluster) for _ in range(12)]
    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(lambda client: post(client, pngs(3)), clients))
    taken = [a for a in answers if a.status_code == 202]
    assert len(taken) == 3, [a.status_code for a in answers]
    for answer in answers:
        if answer not in taken:
            check_refused(answer, 429, "too_many_open_images")
    assert refusals(cluster, "queue") == 9
    assert cluster.ledger()["accepted"] == 9
    check_refused(post(cluster.client, pngs(11)), 413, "request_exceeds_queue")
    assert post(cluster.client, pngs(1)).status_code == 202
    check_refused(post(cluster.client, pngs(1)), 429, "too_many_open_images")

    # What is open counts after a restart, too; what settles makes room.
    cluster.kill9_manager()
    cluster.restart_manager()
    cluster.client.http.close()
    check_refused(post(cluster.client, pngs(1)), 429, "too_many_open_images")
    cluster.add_workers(1)
    wait_until(lambda: cluster.ledger()["open"] == 0, "all to settle")
    wait_until(lambda: cluster.metrics()["imgrec_open_bytes"] == 0, "the room to be given back")
    ids = cluster.client.upload(pngs(10))
    cluster.client.wait_done(ids)


def test_bytes_bound_the_queue_and_deleting_makes_room(new_cluster):
    large = png(1) + b"x" * 400_000  # what follows a PNG's end is part of the file
    cluster = new_cluster(manager_args=["--http-max-image", "500000",
                                        "--scheduler-max-open-bytes", "1000000",
                                        "--scheduler-session-share", 100])
    client = cluster.client
    ids = client.upload([("a.png", large), ("b.png", large)])
    check_refused(post(Client(cluster), [("c.png", large)]), 429, "too_many_open_images")
    assert post(Client(cluster), pngs(1)).status_code == 202, "a small one finds room"
    assert client.http.delete(f"{client.url}/api/v1/images/{ids[0]}").status_code == 204
    wait_until(lambda: cluster.metrics()["imgrec_open_bytes"] < 500_000, "the room")
    assert post(Client(cluster), [("c.png", large)]).status_code == 202


def test_one_session_leaves_room_for_others(new_cluster):
    cluster = new_cluster(manager_args=["--scheduler-max-open", 100])
    greedy = cluster.client
    greedy.upload(pngs(50))
    check_refused(post(greedy, pngs(1)), 429, "session_queue_full")
    check_refused(post(Client(cluster), pngs(51)), 413, "request_exceeds_queue")
    assert post(Client(cluster), pngs(25)).status_code == 202
    assert post(Client(cluster), pngs(1)).status_code == 202
    assert refusals(cluster, "session") == 1 and refusals(cluster, "size") == 1


def test_images_expire_and_their_page_hears_of_it(new_cluster):
    cluster = new_cluster(manager_args=["--storage-keep-for", "1s"])
    client = cluster.client
    cluster.add_workers(1)
    socket = client.socket(after=0)
    ids = set(client.upload(pngs(40)))
    deleted = set()
    while deleted != ids:
        event = socket.next()
        assert event is not None, "a deleted event for each image"
        if event["type"] == "deleted":
            deleted.add(event["id"])
    assert len(socket.seen) == 40, "each was shown before it went"
    assert client.images() == []
    assert [f for f in (cluster.data / "images").rglob("*") if f.is_file()] == []
    metrics = cluster.metrics()
    assert metrics["imgrec_images_expired_total"] == 40
    assert metrics["imgrec_stored_bytes"] == 0
    assert cluster.ledger() == {"accepted": 40, "done": 40, "failed": 0, "open": 0}


def test_weaker_sync_policies_lose_nothing_to_kill9(new_cluster):
    for policy in ("interval", "none"):
        cluster = new_cluster(manager_args=["--storage-sync", policy])
        ids = cluster.client.upload(pngs(7))
        cluster.kill9_manager()
        cluster.restart_manager()
        cluster.client.http.close()
        cluster.add_workers(1)
        cluster.client.wait_done(ids)
