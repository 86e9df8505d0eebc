"""Workers change their model on SIGHUP, beside the photos in hand: none is lost, none fails, none
is answered twice, and each has the labels of the model that answered it."""
import base64
import os
import pathlib
import re
import shutil
import signal
import threading
import time

import requests

from cluster import PATIENCE_S, wait_until
from pictures import png, pngs
from sockets import check_exactly_once


class FakeModel:
    """A file that imgrec-fake-worker takes for its model (tests/support/fake_model_file.h)."""

    def __init__(self, directory, name="model"):
        self.path = pathlib.Path(directory) / name
        self.known = {}  # labels and prefix by the model's name

    def write(self, name, labels, prefix, *more):
        self.known[name] = (labels, prefix)
        self.write_text("\n".join([f"name {name}", f"labels {labels}", f"prefix {prefix}", *more,
                                   "end\n"]))

    def write_text(self, text):
        self.path.write_text(text)

    def check_answers(self, images, files):
        """Each picture has the class, and the label, that the model named with it gives it."""
        by_name = dict(files)
        for image in images.values():
            assert image["state"] == "done", image
            labels, prefix = self.known[image["model"]]
            best = fnv(by_name[image["name"]]) % labels
            assert image["top"][0]["index"] == best, image
            for place in image["top"]:
                assert place["label"] == f"{prefix} {place['index']}", image


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value


def blocks(pid, number):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"SigBlk:\s*(\w+)", status)[1], 16) >> (number - 1) & 1


def answered_by(images):
    counts = {}
    for image in images.values():
        counts[image["model"]] = counts.get(image["model"], 0) + 1
    return counts


class Watch:
    """Asks all the time what the cluster serves; `models` is what it was told, one after the other,
    None where there was nothing."""

    def __init__(self, cluster):
        self.models, self.not_ready = [], 0
        self._url, self._stop = f"http://{cluster.http_address}", threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        session = requests.Session()
        while not self._stop.wait(0.01):
            view = session.get(f"{self._url}/api/v1/cluster", timeout=PATIENCE_S).json()
            name = view["model"]["name"] if view["model"] else None
            if not self.models or self.models[-1] != name:
                self.models.append(name)
            self.not_ready += session.get(f"{self._url}/v2/health/ready",
                                          timeout=PATIENCE_S).status_code != 200

    def stop(self):
        self._stop.set()
        self._thread.join()
        return self.models


class Load:
    """Keeps `ahead` pictures before the cluster until it is told to stop."""

    def __init__(self, client, ahead, files=None):
        self.ids, self.files, self.seen = [], [], client.socket(after=0)
        self._client, self._ahead, self._stop = client, ahead, threading.Event()
        self._sources = files or []
        self._thread = threading.Thread(target=self._upload, daemon=True)
        self._thread.start()

    def _next(self):
        number = len(self.files)
        if not self._sources:
            return f"{number}.png", png(number)
        name, data = self._sources[number % len(self._sources)]
        return f"{number}-{name}", data

    def _upload(self):
        while not self._stop.is_set():
            batch = []
            for _ in range(10):
                batch.append(self._next())
                self.files.append(batch[-1])
            self.ids += self._client.upload(batch)
            while not self._stop.is_set() and len(self.ids) - self.answered() >= self._ahead:
                self.seen.next(0.05)

    def answered(self):
        return len(self.seen.seen)

    def wait_answered(self, more):
        wanted = self.answered() + more
        wait_until(lambda: self.answered() >= wanted, f"{more} more answers")

    def finish(self):
        """Stops, and returns every image by its id, each having been shown exactly once."""
        self._stop.set()
        self._thread.join()
        check_exactly_once(self.seen.read_images(len(self.ids), timeout_s=300), self.ids)
        return self._client.wait_done(self.ids, timeout_s=300)


def serves_only(cluster, name, workers):
    view = cluster.cluster()
    return (view["model"] and view["model"]["name"] == name and len(view["workers"]) == workers and
            all(w["model"] == name for w in view["workers"]))


def check_ledger_is_all_done(cluster, images):
    count = len(images)
    assert cluster.ledger() == {"accepted": count, "done": count, "failed": 0, "open": 0}


def test_one_worker_changes_its_model_under_load(cluster, tmp_path):
    model = FakeModel(tmp_path)
    model.write("first", 10, "old")
    worker = cluster.add_workers(1, "--model-file", model.path, "--delay-ms", "8",
                                 "--load-ms", "300")[0]
    load, watch = Load(cluster.client, ahead=60), Watch(cluster)
    load.wait_answered(100)
    model.write("second", 7, "new")
    worker.signal(signal.SIGHUP)
    worker.wait_log("model_unloaded model=first")
    load.wait_answered(100)
    images = load.finish()
    model.check_answers(images, load.files)
    counts = answered_by(images)
    print(f"\n{counts}, {int(cluster.attempts('requeued'))} handed back")
    assert len(images) >= 200 and min(counts["first"], counts["second"]) >= 50
    assert serves_only(cluster, "second", 1)
    assert watch.stop() == ["first", "second"] and watch.not_ready == 0, "without a gap"
    check_ledger_is_all_done(cluster, images)
    # What was answered before keeps its labels, also where it is read again later.
    assert cluster.manager.terminate() == 0
    cluster.restart_manager()
    model.check_answers(cluster.client.wait_done(load.ids), load.files)
    wait_until(lambda: serves_only(cluster, "second", 1), "the worker to come back")


def test_a_cluster_changes_worker_by_worker_under_load(cluster, tmp_path):
    model = FakeModel(tmp_path)
    model.write("first", 10, "old")
    workers = cluster.add_workers(3, "--model-file", model.path, "--delay-ms", "15")
    load, watch = Load(cluster.client, ahead=100), Watch(cluster)
    load.wait_answered(50)
    model.write("second", 7, "new")
    for worker in workers:
        worker.signal(signal.SIGHUP)
        worker.wait_log("model_unloaded model=first")
        assert len(cluster.ready_workers()) == 3, "no capacity is lost on the way"
        load.wait_answered(50)
        if worker is not workers[-1]:
            assert {w["model"] for w in cluster.cluster()["workers"]} == {"first", "second"}
    late = cluster.add_worker("--model-file", model.path)
    late.wait_log("worker_registered")
    images = load.finish()
    model.check_answers(images, load.files)
    print(f"\n{answered_by(images)}, {int(cluster.attempts('requeued'))} handed back")
    assert len(images) >= 200 and min(answered_by(images).values()) >= 50
    assert serves_only(cluster, "second", 4)
    assert watch.stop() == ["first", "second"] and watch.not_ready == 0
    assert "worker_refused" not in cluster.manager.log()
    check_ledger_is_all_done(cluster, images)


def test_a_model_that_cannot_be_used_leaves_the_old_one(cluster, tmp_path):
    model = FakeModel(tmp_path)
    model.write("first", 10, "old")
    worker = cluster.add_workers(1, "--model-file", model.path)[0]
    asked = 0
    for text, why in [("name second\nlabels 7\n", "half-written"),
                      ("name second\nlabels 0\nend\n", "labels must be 1 to 65535"),
                      ("name second\nwarm-up no memory for it\nend\n", "no memory for it")]:
        model.write_text(text)
        worker.signal(signal.SIGHUP)
        worker.wait_log(f"reload_failed error=[^\n]*{why}[^\n]* serving=first")
        files = pngs(5, first=asked)
        asked += 5
        model.check_answers(cluster.client.wait_done(cluster.client.upload(files)), files)
        assert serves_only(cluster, "first", 1)
    model.path.unlink()
    worker.signal(signal.SIGHUP)
    worker.wait_log("reload_failed error=[^\n]*cannot be opened")
    model.write("first", 10, "old")
    worker.signal(signal.SIGHUP)
    worker.wait_log("reload_unchanged serving=first")
    model.write("second", 7, "new")
    worker.signal(signal.SIGHUP)
    wait_until(lambda: serves_only(cluster, "second", 1), "the good one")


def test_the_last_of_several_signals_counts(cluster, tmp_path):
    model = FakeModel(tmp_path)
    model.write("first", 10, "old")
    worker = cluster.add_worker("--model-file", model.path, "--load-ms", "500")
    wait_until(lambda: blocks(worker.pid, signal.SIGHUP), "main() to begin")
    worker.signal(signal.SIGHUP)  # while the first model is loaded
    wait_until(lambda: serves_only(cluster, "first", 1), "the worker")
    worker.wait_log("reload_unchanged serving=first")
    model.write("second", 7, "new")
    worker.signal(signal.SIGHUP)
    time.sleep(0.1)
    model.write("third", 5, "newest")
    for _ in range(20):
        worker.signal(signal.SIGHUP)
        time.sleep(0.01)
    wait_until(lambda: serves_only(cluster, "third", 1), "the last one")
    assert worker.log().count("reload_begins") <= 5
    files = pngs(10)
    model.check_answers(cluster.client.wait_done(cluster.client.upload(files)), files)


def test_without_a_manager_the_new_model_waits_for_it(cluster, tmp_path):
    model = FakeModel(tmp_path)
    model.write("first", 10, "old")
    worker = cluster.add_workers(1, "--model-file", model.path)[0]
    cluster.kill9_manager()
    worker.wait_log("manager_connection_ended")
    model.write("second", 7, "new")
    worker.signal(signal.SIGHUP)
    worker.wait_log("model_unloaded model=first")
    cluster.restart_manager()
    wait_until(lambda: serves_only(cluster, "second", 1), "the new model")


def test_a_worker_that_leaves_does_not_change_any_more(cluster, tmp_path):
    model = FakeModel(tmp_path)
    model.write("first", 10, "old")
    leaving, loading, other = cluster.add_workers(3, "--model-file", model.path, "--delay-ms",
                                                  "500", "--load-ms", "1500")
    ids = cluster.client.upload(pngs(6))
    wait_until(lambda: cluster.attempts("assigned") >= 3, "work for all")
    model.write("second", 7, "new")
    leaving.signal(signal.SIGTERM)
    leaving.wait_log("worker_draining")
    leaving.signal(signal.SIGHUP)
    loading.signal(signal.SIGHUP)
    loading.wait_log("reload_begins")
    loading.signal(signal.SIGTERM)
    assert leaving.wait() == 0 and loading.wait() == 0
    assert "reload_begins" not in leaving.log()
    model.check_answers(cluster.client.wait_done(ids), pngs(6))
    assert serves_only(cluster, "first", 1) and other.alive()


def test_strangers_with_another_model_stay_outside(cluster, tmp_path):
    model, strange = FakeModel(tmp_path), FakeModel(tmp_path, "strange")
    model.write("first", 10, "old")
    strange.write("strange", 5, "other")
    cluster.add_workers(1, "--model-file", model.path)
    stranger = cluster.add_worker("--model-file", strange.path)
    stranger.wait_log("worker_refused [^\n]*code=model [^\n]*SIGHUP")
    assert serves_only(cluster, "first", 1)
    strange.write("first", 10, "old")  # what it is to have
    stranger.signal(signal.SIGHUP)
    wait_until(lambda: serves_only(cluster, "first", 2), "the stranger to be none")


def test_inference_requests_do_not_notice_a_change_to_a_model_of_the_same_name(cluster, tmp_path):
    """One picture in each: of one with two, the rows are of one model, or it is told to try again."""
    model = FakeModel(tmp_path)
    model.write("net", 10, "old")
    kinds = {"old": 10, "new": 7}
    workers = cluster.add_workers(2, "--model-file", model.path, "--delay-ms", "2")
    url = f"http://{cluster.http_address}/v2/models/net/infer"
    stop, trouble, counts = threading.Event(), [], {"old": 0, "new": 0, "again": 0}

    def ask(pictures, may_be_told_to_try_again):
        session = requests.Session()
        number = 0
        while not stop.is_set():
            data = [png(number + n) for n in range(pictures)]
            number += pictures
            answer = session.post(url, timeout=PATIENCE_S, json={
                "inputs": [{"name": "image", "shape": [pictures], "datatype": "BYTES",
                            "data": [base64.b64encode(d).decode() for d in data]}],
                "outputs": [{"name": "label"}, {"name": "index"}]})
            if answer.status_code == 503 and may_be_told_to_try_again:
                counts["again"] += 1
                continue
            if answer.status_code != 200:
                trouble.append(answer.text)
                continue
            outputs = {o["name"]: o["data"] for o in answer.json()["outputs"]}
            prefixes = {label.split(" ")[0] for label in outputs["label"]}
            right = [fnv(d) % kinds[prefix] for d in data for prefix in prefixes]
            if len(prefixes) != 1 or outputs["index"] != right:
                trouble.append(f"{outputs} is not {right}")
            counts[prefixes.pop()] += 1

    threads = [threading.Thread(target=ask, args=a) for a in ((1, False), (1, False), (8, True))]
    for thread in threads:
        thread.start()
    wait_until(lambda: counts["old"] >= 50, "answers of the old one")
    model.write("net", 7, "new")
    workers[0].signal(signal.SIGHUP)
    wait_until(lambda: counts["new"] >= 50, "answers of the new one")
    workers[1].signal(signal.SIGHUP)
    workers[1].wait_log("model_unloaded")
    now = counts["new"]
    wait_until(lambda: counts["new"] >= now + 50, "answers of the new one alone")
    stop.set()
    for thread in threads:
        thread.join()
    print(f"\n{counts}")
    assert not trouble, trouble[:3]


# ---- a real model -----------------------------------------------------------------------------

def versions_of(model, directory):
    """Two folders of the same network, which differ in name and in what they call unsure."""
    made = {}
    for name, unsure_below in (("googlenet-1", 0.0), ("googlenet-2", 0.6)):
        folder = directory / name
        shutil.copytree(model, folder)
        text = (folder / "model.yaml").read_text()
        text = re.sub(r"(?m)^name: .*$", f'name: "{name}"', text)
        text = re.sub(r"(?m)^unsure_below: .*$", f"unsure_below: {unsure_below}", text)
        (folder / "model.yaml").write_text(text)
        made[name] = unsure_below
    return made


def use(directory, name):
    """As docs/model-rollout.md does it: the name that the worker knows becomes the new folder's."""
    os.symlink(name, directory / "new")
    os.replace(directory / "new", directory / "current")


def test_real_workers_change_their_model_with_photos_in_flight(new_cluster, tmp_path, photos,
                                                               model):
    unsure_below = versions_of(model, tmp_path)
    use(tmp_path, "googlenet-1")
    cluster = new_cluster(worker="imgrec-worker", worker_args=["--model", tmp_path / "current"])
    workers = cluster.add_workers(2)
    before = [w.resident_kib() for w in workers]
    load, watch = Load(cluster.client, ahead=60, files=photos), Watch(cluster)
    load.wait_answered(40)
    use(tmp_path, "googlenet-2")
    peak = list(before)
    for number, worker in enumerate(workers):
        began = time.monotonic()
        worker.signal(signal.SIGHUP)

        def done():
            peak[number] = max(peak[number], worker.resident_kib())
            return "model_unloaded model=googlenet-1" in worker.log()

        wait_until(done, "the old model to be unloaded")
        took = time.monotonic() - began
        load.wait_answered(60)
        print(f"\n{worker.name}: changed in {took:.1f} s under load; memory {before[number] >> 10} "
              f"MiB before, {peak[number] >> 10} at most, {worker.resident_kib() >> 10} after")
    load.wait_answered(max(0, 200 - load.answered()))
    images = load.finish()
    counts = answered_by(images)
    print(f"{counts}, {int(cluster.attempts('requeued'))} handed back, none lost, none failed")
    assert len(images) >= 200 and min(counts.values()) >= 40
    best = {}
    for image in images.values():
        assert image["unsure"] == (image["top"][0]["score"] < unsure_below[image["model"]]), image
        best.setdefault(image["name"].split("-", 1)[1], set()).add(image["top"][0]["label"])
    assert all(len(labels) == 1 for labels in best.values()), "both are the same network"
    assert watch.stop() == ["googlenet-1", "googlenet-2"] and watch.not_ready == 0
    assert serves_only(cluster, "googlenet-2", 2)
    check_ledger_is_all_done(cluster, images)


def test_a_real_folder_that_is_being_copied_is_refused_in_words(new_cluster, tmp_path, photos,
                                                                model):
    versions_of(model, tmp_path)
    use(tmp_path, "googlenet-1")
    cluster = new_cluster(worker="imgrec-worker", worker_args=["--model", tmp_path / "current"])
    worker = cluster.add_workers(1)[0]
    folder = tmp_path / "googlenet-2"
    whole = (folder / "model.pt").read_bytes()
    (folder / "model.pt").write_bytes(whole[:len(whole) // 2])
    use(tmp_path, "googlenet-2")
    worker.signal(signal.SIGHUP)
    worker.wait_log("reload_failed error=[^\n]*model.pt is not the file that model.yaml describes")
    (folder / "model.yaml").unlink()
    worker.signal(signal.SIGHUP)
    worker.wait_log("reload_failed error=[^\n]*no model.yaml")
    use(tmp_path, "googlenet-1")
    worker.signal(signal.SIGHUP)
    worker.wait_log("reload_unchanged serving=googlenet-1")
    image = cluster.client.wait_done(cluster.client.upload(photos[:1])).popitem()[1]
    assert image["model"] == "googlenet-1"


def test_a_real_worker_keeps_its_size_over_many_changes(new_cluster, tmp_path, model, photos):
    versions_of(model, tmp_path)
    use(tmp_path, "googlenet-1")
    cluster = new_cluster(worker="imgrec-worker", worker_args=["--model", tmp_path / "current"])
    worker = cluster.add_workers(1)[0]
    sizes = []
    for turn in range(8):
        name = f"googlenet-{2 - turn % 2}"
        use(tmp_path, name)
        worker.signal(signal.SIGHUP)
        wait_until(lambda: worker.log().count("model_unloaded") == turn + 1, "the change")
        cluster.client.wait_done(cluster.client.upload(photos[:4]))
        sizes.append(worker.resident_kib() >> 10)
    print(f"\nMiB after each of 8 changes: {sizes}")
    assert max(sizes[4:]) <= 1.2 * max(sizes[1:4]), sizes
