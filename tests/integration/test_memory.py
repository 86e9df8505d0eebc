"""A worker's memory does not grow with what was uploaded. memory_bench.py shows it for longer."""
import pytest

from cluster import BIN_DIR
from memory_bench import recognise
from pictures import of_many_sizes

PHOTOS = 200
# Of one round over photos of sizes it had not seen: a worker that kept each decoded picture would
# grow by 100 MiB, and one whose malloc gives memory back after each inference faults 3,000 times.
MOST_GROWTH_MIB = 32
MOST_PAGE_FAULTS_PER_PHOTO = 500


def test_a_worker_keeps_its_size_over_photos_of_many_sizes(new_cluster, tmp_path, model):
    if not (BIN_DIR.parent / "tests" / "make_pictures").exists():
        pytest.skip("make_pictures is not built")
    cluster = new_cluster(worker="imgrec-worker", worker_args=["--model", model])
    worker = cluster.add_workers(1)[0]
    if worker.sanitized():
        pytest.skip("a sanitizer keeps what was freed")
    photos = of_many_sizes(tmp_path / "photos", PHOTOS)
    recognise(cluster, photos[:PHOTOS // 2])
    before, faults_before = worker.resident_kib() / 1024, worker.page_faults()
    recognise(cluster, photos[PHOTOS // 2:])
    after = worker.resident_kib() / 1024
    faults = (worker.page_faults() - faults_before) / (PHOTOS // 2)
    print(f"\nworker: {before:.0f} MiB after {PHOTOS // 2} photos, {after:.0f} MiB after {PHOTOS}; "
          f"{faults:.0f} page faults a photo")
    assert after - before <= MOST_GROWTH_MIB
    assert faults <= MOST_PAGE_FAULTS_PER_PHOTO
