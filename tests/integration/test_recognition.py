"""(a) Real photos, real workers, a real model: the same answers as OpenCV gives."""
from pictures import shared_dir


def reference():
    """{file: [(synset, probability), …]} of the development photos."""
    lines = (shared_dir() / "data" / "photos" / "reference.tsv").read_text().splitlines()
    rows = (line.split("\t") for line in lines[1:])
    return {row[0]: [(cell.split(":")[0], float(cell.split(":")[1])) for cell in row[1:]]
            for row in rows}


def test_photos_get_the_answers_that_opencv_gives(new_cluster, photos, model):
    expected = reference()
    cluster = new_cluster(worker="imgrec-worker", worker_args=["--model", model])
    cluster.add_workers(3)
    ids = []
    for first in range(0, len(photos), 10):
        ids += cluster.client.upload(photos[first:first + 10])
    images = cluster.client.wait_done(ids, timeout_s=400)

    same_top1, largest_difference, shared_classes, right = 0, 0.0, 0, 0
    for image in images.values():
        ours = [(p["label"].split(" ")[0], p["score"]) for p in image["top"]]
        theirs = dict(expected[image["name"]])
        assert len(ours) == 5
        assert ours == sorted(ours, key=lambda p: -p[1])
        same_top1 += ours[0][0] == expected[image["name"]][0][0]
        right += image["name"].startswith(ours[0][0])
        for synset, score in ours:
            if synset in theirs:
                shared_classes += 1
                largest_difference = max(largest_difference, abs(score - theirs[synset]))
    workers = {image["worker"] for image in images.values()}
    print(f"\n{len(images)} photos, {len(workers)} workers: top-1 as the reference {same_top1}, "
          f"right {right}, {shared_classes} of {5 * len(images)} top-5 classes shared, "
          f"largest difference of a probability {largest_difference:.5f}")
    assert len(images) == 100
    assert same_top1 >= 99
    assert largest_difference <= 0.02
    assert shared_classes >= 495
    assert len(workers) == 3, "every worker had its share"


def test_half_a_photo_fails_in_words_and_the_next_one_is_recognised(new_cluster, photos, model):
    cluster = new_cluster(worker="imgrec-worker", worker_args=["--model", model])
    cluster.add_workers(1)
    name, data = photos[0]
    cut, good = cluster.client.upload([("cut.jpg", data[:len(data) // 2]), (name, data)])
    images = cluster.client.wait_settled([cut, good])
    assert images[cut]["state"] == "failed"
    assert images[cut]["error"]["code"] == "damaged_image"
    assert len(images[cut]["error"]["detail"]) > 20
    assert images[cut]["top"] == []
    assert images[good]["state"] == "done"
    assert images[good]["top"][0]["label"].startswith("n01440764")
