"""Several managers, each a shard of its own, and workers that serve them all at once."""
import signal
import socket
import subprocess

import pytest

from cluster import Program, wait_until
from pictures import check_fake_answers, pngs

# So many photos at each worker at once, as over a long round trip: the flood that must not drown
# others.
FLOOD = ["--scheduler-min-window", "32"]


def serve(clusters, count, *arguments, **keywords):
    """Workers, each with all these managers; waits until all have all."""
    managers = ",".join(c.worker_address for c in clusters)
    workers = [clusters[0].add_worker("--manager", managers, *arguments, **keywords)
               for _ in range(count)]
    for cluster in clusters:
        wait_ready(cluster, workers)
    return workers


def wait_ready(cluster, workers):
    names = {worker.name for worker in workers}
    wait_until(lambda: names == {w["name"] for w in cluster.ready_workers()},
               f"{names} to be ready")


def done(cluster):
    return cluster.ledger()["done"]


def test_shards_get_equal_shares_of_the_workers(new_cluster):
    one, other = new_cluster(manager_args=FLOOD), new_cluster()
    serve([one, other], 2, "--delay-ms", "20")
    many = one.client.upload(pngs(400))
    wait_until(lambda: done(one) >= 40, "the flood to be under way")
    before = done(one)
    few = other.client.upload(pngs(80, first=1000))
    wait_until(lambda: done(other) == 80, "the smaller shard's photos")
    meanwhile = done(one) - before
    print(f"\n80 photos of one shard, {meanwhile} of the other meanwhile")
    assert 80 / 1.75 <= meanwhile <= 80 * 1.75, "first come, first served gives the flood 360"
    check_fake_answers(other.client.wait_done(few), pngs(80, first=1000))
    check_fake_answers(one.client.wait_done(many), pngs(400))


def test_a_photo_does_not_wait_behind_another_shards_window(new_cluster):
    one, other = new_cluster(manager_args=FLOOD), new_cluster()
    serve([one, other], 1, "--delay-ms", "50")
    one.client.upload(pngs(300))
    wait_until(lambda: done(one) >= 10, "the flood to be under way")
    assert one.cluster()["workers"][0]["in_flight"] >= 30, "or else this tests nothing"
    for n in range(5):
        before = done(one)
        other.client.wait_done(other.client.upload(pngs(1, first=2000 + n)))
        # In hand, decoded ahead, one turn; and what was done while this looked on.
        assert done(one) - before <= 16, "behind the window it would be 32 and more"


def test_a_shard_that_is_killed_and_comes_back_loses_nothing_and_disturbs_nobody(new_cluster):
    one, other, third = new_cluster(), new_cluster(), new_cluster()
    workers = serve([one, other, third], 2, "--delay-ms", "10")
    files = {one: pngs(150), other: pngs(150, first=1000), third: pngs(60, first=2000)}
    ids = {cluster: cluster.client.upload(files[cluster]) for cluster in files}
    wait_until(lambda: done(other) >= 20, "some results")
    other.kill9_manager()
    before = done(one)
    wait_until(lambda: done(one) >= min(before + 30, 150), "the others to go on")
    other.restart_manager()
    for cluster in files:
        check_fake_answers(cluster.client.wait_done(ids[cluster]), files[cluster])
        assert cluster.ledger() == {"accepted": len(ids[cluster]), "done": len(ids[cluster]),
                                    "failed": 0, "open": 0}
    for cluster in (one, third):
        for result in ("timed_out", "requeued", "resent"):
            assert cluster.attempts(result) == 0, result
    assert all(w.alive() for w in workers)


def test_a_worker_that_leaves_hands_back_to_each_shard(new_cluster):
    one, other = new_cluster(manager_args=FLOOD), new_cluster(manager_args=FLOOD)
    leaving, _ = serve([one, other], 2, "--delay-ms", "20")
    files = {one: pngs(80), other: pngs(80, first=1000)}
    ids = {cluster: cluster.client.upload(files[cluster]) for cluster in files}
    wait_until(lambda: done(one) >= 10 and done(other) >= 10, "some results")
    assert leaving.terminate() == 0, leaving.tail()
    for cluster in files:
        check_fake_answers(cluster.client.wait_done(ids[cluster]), files[cluster])
        assert cluster.attempts("dropped") == 0


def test_every_shard_sees_a_change_of_model(new_cluster, tmp_path):
    one, other = new_cluster(), new_cluster()
    model = tmp_path / "model"
    model.write_text("name first\nend\n")
    [worker] = serve([one, other], 1, "--delay-ms", "10", "--model-file", model)
    ids = {cluster: cluster.client.upload(pngs(60, first=1000 * n))
           for n, cluster in enumerate((one, other))}
    wait_until(lambda: done(one) >= 10 and done(other) >= 10, "some results")
    model.write_text("name second\nend\n")
    worker.signal(signal.SIGHUP)
    worker.wait_log("model_unloaded model=first")
    for cluster in (one, other):
        images = cluster.client.wait_done(ids[cluster])
        assert {image["model"] for image in images.values()} == {"first", "second"}
        [joined] = cluster.ready_workers()
        assert joined["name"] == worker.name
        assert cluster.attempts("timed_out") == 0


def test_two_addresses_of_one_manager_are_one_worker(new_cluster):
    cluster = new_cluster(manager_args=["--worker-listen", "0.0.0.0"])
    port = cluster.worker_address.rsplit(":", 1)[1]
    worker = cluster.add_worker("--manager", f"127.0.0.1:{port},127.0.0.2:{port}")
    worker.wait_log("manager_link_parked")
    check_fake_answers(cluster.client.wait_done(cluster.client.upload(pngs(20))), pngs(20))
    assert len(cluster.cluster()["workers"]) == 1
    # The older way may be looked at again, after 1, 4, 16... seconds.
    assert len([line for line in worker.log().splitlines() if "worker_registered" in line]) <= 5
    cluster.kill9_manager()
    cluster.restart_manager()
    wait_ready(cluster, [worker])
    cluster.client.wait_done(cluster.client.upload(pngs(5, first=100)))


def test_shards_that_come_back_with_each_others_address_are_served(new_cluster):
    one, other = new_cluster(), new_cluster()
    workers = serve([one, other], 2)
    for cluster in (one, other):
        cluster.kill9_manager()
    one.worker_address, other.worker_address = other.worker_address, one.worker_address
    for n, cluster in enumerate((one, other)):
        cluster.restart_manager()
        wait_ready(cluster, workers)
        files = pngs(10, first=1000 * n)
        check_fake_answers(cluster.client.wait_done(cluster.client.upload(files)), files)


class Hosts:
    """/etc/hosts of one worker: a file that is mounted over it in a mount namespace of its own."""

    def __init__(self, path):
        self.path = path
        self.resolv = path.with_suffix(".resolv")
        self.resolv.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        self.set()

    def set(self, *addresses):
        """Written in place, as the mount is of this very file."""
        with open(self.path, "r+" if self.path.exists() else "w") as file:
            text = "127.0.0.1 localhost\n" + "".join(f"{a} shards.test\n" for a in addresses)
            file.write(text)
            file.truncate()

    def prefix(self):
        script = ('mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && '
                  'shift 2 && exec "$@"')
        return ["unshare", "--mount", "sh", "-c", script, "sh", self.path, self.resolv]


@pytest.fixture
def hosts(tmp_path):
    hosts = Hosts(tmp_path / "hosts")
    tried = subprocess.run([*map(str, hosts.prefix()), "getent", "hosts", "localhost"],
                           capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"no mount namespaces here: {tried.stderr.strip()}")
    return hosts


def free_port(addresses):
    """A port that nobody has at any of these."""
    for _ in range(100):
        with socket.socket() as first:
            first.bind((addresses[0], 0))
            port = first.getsockname()[1]
            try:
                for address in addresses[1:]:
                    with socket.socket() as next_one:
                        next_one.bind((address, port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


def test_a_name_whose_addresses_change(new_cluster, hosts):
    addresses = ["127.0.1.1", "127.0.1.2", "127.0.1.3"]
    port = free_port(addresses)
    one, other, third = (new_cluster(manager_args=[
        "--worker-listen", address, "--worker-port", port]) for address in addresses)
    hosts.set("127.0.1.1")
    worker = one.add_worker("--manager", f"shards.test:{port}", "--worker-lookup", "200ms",
                            "--delay-ms", "10", "--log-level", "debug", prefix=hosts.prefix())
    wait_ready(one, [worker])
    assert not other.cluster()["workers"]

    # Who appears is joined, and nobody else notices.
    hosts.set(*addresses)
    for cluster in (other, third):
        wait_ready(cluster, [worker])
        cluster.client.wait_done(cluster.client.upload(pngs(10)))

    # A record that vanishes costs no photo and ends no connection.
    ids = one.client.upload(pngs(100))
    hosts.set("127.0.1.2", "127.0.1.3")
    wait_lookups(worker)
    check_fake_answers(one.client.wait_done(ids), pngs(100))
    wait_ready(one, [worker])
    assert one.attempts("requeued") == 0

    # A connection that ends without a record is the end.
    one.kill9_manager()
    worker.wait_log(rf"manager_gone manager=127\.0\.1\.1:{port}")
    one.restart_manager()
    ids = one.client.upload(pngs(5, first=500))
    wait_lookups(worker)
    assert not one.cluster()["workers"]

    # And comes back with it.
    hosts.set(*addresses)
    wait_ready(one, [worker])
    check_fake_answers(one.client.wait_done(ids), pngs(5, first=500))
    for cluster in (other, third):
        assert cluster.attempts("requeued") == 0


def wait_lookups(worker):
    """Until the worker has looked the name up twice more: what it does then is done."""
    begun = lookups(worker)
    wait_until(lambda: lookups(worker) >= begun + 2, "two more lookups")


def lookups(worker: Program):
    return worker.log().count("manager_lookup ")
