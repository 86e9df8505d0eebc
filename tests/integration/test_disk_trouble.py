"""A disk that is full, read-only or failing, and a database that is damaged: what clients are told,
what is kept, and that everything works again afterwards without a restart."""
import subprocess

import pytest

from cluster import BIN_DIR, wait_until
from disk import Injection, check_data_directory, need_strace, small_disk  # noqa: F401 (a fixture)
from pictures import check_fake_answers, pngs


def refused(client, count, status, code):
    """Uploads, and checks that it is refused with words that are safe to show."""
    response = client.post("/api/v1/images",
                           files=[("file", file) for file in pngs(count, first=500)])
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert 1 <= int(response.headers["Retry-After"]) <= 120
    problem = response.json()
    assert problem["code"] == code, problem
    assert str(client.cluster.data) not in response.text, "paths are for the log"
    return problem


def cluster_on(disk, new_cluster):
    data = disk.path / "data"
    cluster = new_cluster(manager_args=["--data", data])
    cluster.data = data
    return cluster


def test_full_disk(small_disk, new_cluster):  # noqa: F811
    cluster = cluster_on(small_disk, new_cluster)
    client = cluster.client
    waiting = client.upload(pngs(3))
    small_disk.fill()
    for count in (1, 5):
        refused(client, count, 507, "storage_full")
    assert cluster.ledger() == {"accepted": 3, "done": 0, "failed": 0, "open": 3}
    assert {i["id"] for i in client.images()} == set(waiting), "reading goes on"

    # Results have a reserve. While it is in use no upload takes the room.
    cluster.add_workers(1)
    client.wait_done(waiting)
    refused(client, 1, 507, "storage_full")
    small_disk.free()

    ids = client.upload(pngs(5, first=10))
    check_fake_answers(client.wait_done(ids), pngs(5, first=10))
    check_data_directory(cluster.data, set(waiting + ids))
    assert cluster.ledger() == {"accepted": 8, "done": 8, "failed": 0, "open": 0}


def test_deleting_works_on_a_full_disk(small_disk, new_cluster):  # noqa: F811
    cluster = cluster_on(small_disk, new_cluster)
    cluster.add_workers(1)
    client = cluster.client
    ids = client.upload(pngs(20))
    client.wait_done(ids)
    small_disk.fill()
    refused(client, 1, 507, "storage_full")
    for image_id in ids:
        response = client.http.delete(f"{client.url}/api/v1/images/{image_id}")
        assert response.status_code == 204, response.text
    check_data_directory(cluster.data)
    assert cluster.ledger() == {"accepted": 20, "done": 20, "failed": 0, "open": 0}
    small_disk.free()
    client.wait_done(client.upload(pngs(3, first=30)))


def test_read_only_disk_at_start(small_disk, new_cluster):  # noqa: F811
    cluster = cluster_on(small_disk, new_cluster)
    ids = cluster.client.upload(pngs(2))
    cluster.kill9_manager()
    assert small_disk.remount("ro").returncode == 0
    done = subprocess.run([str(BIN_DIR / "imgrec-manager"), "--port", "0", "--worker-port", "0",
                           "--data", cluster.data], capture_output=True, text=True, check=False,
                          timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 3, said
    assert str(cluster.data) in said and "writable" in said, said
    assert small_disk.remount("rw").returncode == 0
    cluster.restart_manager()
    cluster.add_workers(1)
    cluster.client.wait_done(ids)


# Not write(): the storage thread wakes others by it. Files of photos are made by openat().
WRITES = ("openat", "pwrite64", "mkdir", "unlink", "ftruncate")
SYNCS = ("fsync", "fdatasync", "syncfs")


@pytest.mark.parametrize("calls, error", [
    (WRITES, "EROFS"), (WRITES, "EIO"), (SYNCS, "EIO"), (("fdatasync",), "EIO"),
    (("pwrite64",), "ENOSPC")], ids=["read-only", "failing", "sync", "commit", "full"])
def test_errors_of_a_running_disk(new_cluster, tmp_path, calls, error):
    need_strace()
    cluster = new_cluster()
    client = cluster.client
    before = client.upload(pngs(2))
    injection = Injection(cluster.manager, calls, f"error={error}", tmp_path / "strace.log")
    status, code = (507, "storage_full") if error == "ENOSPC" else (503, "storage_unavailable")
    for count in (1, 5):
        refused(client, count, status, code)
    # Deletions say that they did not happen.
    response = client.http.delete(f"{client.url}/api/v1/images/{before[0]}")
    assert response.status_code == status, response.text
    log = injection.end()
    assert "(INJECTED)" in log
    assert cluster.ledger() == {"accepted": 2, "done": 0, "failed": 0, "open": 2}

    after = client.upload(pngs(5, first=10))
    accepted = set(before + after)
    assert {i["id"] for i in client.images()} == accepted
    cluster.kill9_manager()
    cluster.restart_manager()
    check_data_directory(cluster.data, accepted)
    assert {i["id"] for i in client.images()} == accepted, "refused is refused"
    cluster.add_workers(1)
    client.wait_done(before + after)
    assert cluster.ledger() == {"accepted": 7, "done": 7, "failed": 0, "open": 0}


def test_results_wait_for_a_failing_disk(new_cluster, tmp_path):
    need_strace()
    cluster = new_cluster()
    ids = cluster.client.upload(pngs(10))
    injection = Injection(cluster.manager, SYNCS, "error=EIO", tmp_path / "strace.log")
    cluster.add_workers(1)
    cluster.manager.wait_log("settlement_not_stored")
    assert cluster.ledger() == {"accepted": 10, "done": 0, "failed": 0, "open": 10}
    injection.end()
    check_fake_answers(cluster.client.wait_done(ids), pngs(10))


@pytest.mark.parametrize("damage", ["header", "cut", "gone", "log"])
def test_damaged_database_is_refused_in_words(new_cluster, damage):
    cluster = new_cluster()
    client = cluster.client
    ids = [client.upload(pngs(1, first=n))[0] for n in range(20)]
    wait_until(lambda: cluster.ledger()["open"] == 20, "the ledger")
    if damage == "header":
        assert cluster.manager.terminate() == 0  # else the log has all of it, and is taken
    else:
        cluster.kill9_manager()
    database, log = cluster.data / "imgrec.db", cluster.data / "imgrec.db-wal"
    target = log if damage == "log" else database
    whole = target.read_bytes()
    if damage == "header":
        target.write_bytes(b"\0" * 100 + whole[100:])
    elif damage == "cut":
        target.write_bytes(b"")
    elif damage == "gone":
        target.unlink()
    else:
        middle = len(whole) // 2
        target.write_bytes(whole[:middle] + b"garbage" * 10 + whole[middle + 70:])
    done = subprocess.run([str(BIN_DIR / "imgrec-manager"), "--port", "0", "--worker-port", "0",
                           "--data", cluster.data], capture_output=True, text=True, check=False,
                          timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 3, said
    assert "damaged" in said and str(database) in said and "backup" in said, said
    files = [f for f in (cluster.data / "images").rglob("*") if f.is_file()]
    assert len(files) == 20, "the photos must stay"
    target.write_bytes(whole)  # the backup
    cluster.restart_manager()
    cluster.add_workers(1)
    client.wait_done(ids)
