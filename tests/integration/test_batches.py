"""Workers that compute several photos together: told to the manager, done where photos queue, and no
harm to anybody when one of them dies with a batch in hand."""
from cluster import wait_until
from pictures import check_fake_answers, pngs
from test_ops import OPS, metrics, ops_of

PAIRS = ["--batch", "2", "--delay-ms", "200"]


def only_worker(cluster):
    return cluster.cluster()["workers"][0]


def given_ready(cluster, *arguments):
    """A worker of its own, and where it tells its metrics."""
    worker = cluster.add_worker(*arguments, *OPS)
    ops = ops_of(worker)
    wait_until(lambda: len(cluster.ready_workers()) == 1, "the worker is ready")
    return worker, ops


def samples_of_a_queue(cluster, batch, count, *arguments):
    """What a worker counts that computes so many photos, which come at once."""
    _, ops = given_ready(cluster, *arguments)
    wait_until(lambda: only_worker(cluster)["window"] == 2 * batch, "a batch and one to come next")
    photos = pngs(count)
    check_fake_answers(cluster.client.wait_done(cluster.client.upload(photos)), photos)
    samples = metrics(ops)
    assert samples["imgrec_worker_batch"] == batch
    assert samples['imgrec_worker_photos_total{result="done"}'] == count
    return samples


def test_photos_that_queue_are_computed_in_pairs(cluster):
    samples = samples_of_a_queue(cluster, 2, 9, *PAIRS)
    assert samples["imgrec_worker_inference_seconds_count"] == 9
    # One at once, then pairs; what came late for its pair may be alone.
    assert 5 <= samples["imgrec_worker_inferences_total"] < 9
    cluster.check_ledger()


def test_photos_that_queue_are_computed_by_fours_and_what_is_left_in_a_pair(cluster):
    samples = samples_of_a_queue(cluster, 4, 12, "--batch", "4", "--delay-ms", "500")
    # One at once, then two fours, a pair and one.
    assert samples["imgrec_worker_inferences_total"] == 5
    cluster.check_ledger()


def test_a_photo_that_comes_alone_is_computed_alone(cluster):
    _, ops = given_ready(cluster, *PAIRS)
    for photo in pngs(3):
        cluster.client.wait_done(cluster.client.upload([photo]))
    assert metrics(ops)["imgrec_worker_inferences_total"] == 3


def test_a_worker_that_dies_with_a_pair_in_hand_loses_neither(cluster):
    doomed, ops = given_ready(cluster, *PAIRS)
    photos = pngs(8)
    ids = cluster.client.upload(photos)
    wait_until(lambda: metrics(ops)["imgrec_worker_running"] == 2, "a pair is in hand")
    cluster.kill9_worker(doomed)
    cluster.add_worker(*PAIRS)
    check_fake_answers(cluster.client.wait_done(ids), photos)
    cluster.check_ledger()
