"""A way that loses every seventh packet, to which the manager has no BBR: several connections to the worker
carry what one cannot, and an end of either side is what it always is."""
import pytest

from cluster import wait_until
from link_emulator import EmulatedLink
from net_sandbox import skip_without_namespaces
from pictures import check_fake_answers
from test_network_figures import cluster_over, photos
from test_worker_security import certificates, tls_manager, tls_worker, token_file  # noqa: F401, fixtures

LINK = "delay=1ms rate=100mbit loss=15%"
LANES = 12  # the manager's default
CUBIC = ["--congestion-control", "cubic"]


@pytest.fixture(autouse=True)
def namespaces():
    skip_without_namespaces()


def recognise(cluster, files):
    check_fake_answers(cluster.client.wait_done(cluster.client.upload(files)), files)


def use_lanes(cluster):
    """Photos show that packets are lost; then all goes over the lanes."""
    recognise(cluster, list(photos(4)))

    def in_use():
        workers = cluster.cluster()["workers"]
        return workers and workers[0]["connections"] == 1 + LANES and workers[0]

    return wait_until(in_use, "the lanes")


def test_photos_come_over_the_lanes(tmp_path):
    with EmulatedLink(LINK, seed=3) as link, cluster_over(link, tmp_path, CUBIC) as cluster:
        before = use_lanes(cluster)
        assert before["congestion_control"] == "cubic"
        recognise(cluster, list(photos(40)))
        after = cluster.cluster()["workers"][0]
        assert after["wire_out_bytes"] - before["wire_out_bytes"] > 40 * 60_000, "those of the lanes count"
        assert after["retransmissions"] - before["retransmissions"] > 100
        assert cluster.metrics()['imgrec_worker_connections{congestion_control="cubic"}'] == 1 + LANES
        assert cluster.attempts("timed_out") == 0


def test_they_are_closed_in_good_order_from_either_side(tmp_path):
    with EmulatedLink(LINK, seed=4) as link, cluster_over(link, tmp_path, CUBIC) as cluster:
        use_lanes(cluster)
        worker = cluster.workers[0]
        assert cluster.manager.terminate() == 0
        worker.wait_log(r'manager_connection_ended .*reason="?in good order')
        cluster.restart_manager()
        wait_until(lambda: cluster.cluster()["workers"], "the worker to be back")
        use_lanes(cluster)
        assert worker.terminate() == 0
        wait_until(lambda: not cluster.cluster()["workers"], "the worker to be gone")


def test_what_was_on_the_lanes_of_a_worker_that_dies_goes_to_the_next(tmp_path):
    with EmulatedLink(LINK, seed=5) as link, cluster_over(link, tmp_path, CUBIC) as cluster:
        use_lanes(cluster)
        files = list(photos(20))
        ids = cluster.client.upload(files)
        cluster.kill9_worker(cluster.workers[0])
        with link.b.entered():
            cluster.add_worker()
        check_fake_answers(cluster.client.wait_done(ids), files)
        assert cluster.ledger()["failed"] == 0


def test_they_have_the_security_of_the_connection(tmp_path, certificates, token_file):  # noqa: F811
    token = token_file("token")
    manager = [*CUBIC, *tls_manager(certificates, client_ca="ca"), "--workers-token-file", token]
    worker = [*tls_worker(certificates, certificate="worker", name="localhost"), "--worker-token-file", token]
    with EmulatedLink(LINK, seed=6) as link, cluster_over(link, tmp_path, manager, worker) as cluster:
        use_lanes(cluster)
        recognise(cluster, list(photos(20)))
        one = cluster.workers[0]
        assert cluster.manager.terminate() == 0
        one.wait_log(r'manager_connection_ended .*reason="?in good order')
        cluster.restart_manager()
        wait_until(lambda: cluster.cluster()["workers"], "the worker to be back")


def test_a_long_way_may_need_them_while_it_is_being_warmed(tmp_path):
    with EmulatedLink("delay=50ms rate=100mbit loss=15%", seed=8) as link, \
            cluster_over(link, tmp_path, CUBIC) as cluster:
        wait_until(lambda: cluster.cluster()["workers"][0]["connections"] == 1 + LANES, "the lanes")
        recognise(cluster, list(photos(20)))
        assert cluster.ledger()["failed"] == 0
        assert "damaged on the way" not in cluster.workers[0].log()


def test_nobody_is_asked_for_lanes_who_should_have_none(tmp_path):
    with EmulatedLink(LINK, seed=7) as link, cluster_over(link, tmp_path, [*CUBIC, "--lanes", "0"]) as cluster:
        recognise(cluster, list(photos(8)))
        wait_until(lambda: (cluster.cluster()["workers"][0]["retransmitted_share"] or 0) > 0.04, "losses")
        assert cluster.cluster()["workers"][0]["connections"] == 1
        assert "lanes_asked_for" not in cluster.manager.log()
