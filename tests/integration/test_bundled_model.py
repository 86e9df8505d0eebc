"""The model that comes with imgrec, models/cifar10-inception: sound, small, and as good as its card
says. IMGREC_ALL=1 recognises all 10,000 test images instead of the first 50 of each class."""
import os
import re
import subprocess
import tarfile

import pytest
from cluster import BIN_DIR, REPO
from pictures import png, shared_dir

FOLDER = REPO / "models" / "cifar10-inception"
CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
MOST_BYTES = 8 << 20
PERCENT = r"(\d+\.\d+) %"


def imgrec_model(*arguments):
    program = BIN_DIR / "imgrec-model"
    if not program.exists():
        pytest.skip(f"there is no imgrec-model in {BIN_DIR}: built without LibTorch")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True,
                          timeout=800, check=True)
    assert "network_not_compiled" not in done.stderr, "a worker must find its fastest form"
    return done.stdout


def card():
    """What the model card promises: accuracy and pictures it was counted on, calibration error, the
    threshold, how many answers are above it and how many of these are right."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    accuracy = re.search(rf"accuracy \| {PERCENT} of (\d+) pictures that it was neither", text)
    calibration = re.search(rf"expected calibration error {PERCENT}", text)
    sure = re.search(rf"below (0\.\d+)\. The {PERCENT} of answers above it are right in {PERCENT}",
                     text)
    return {"accuracy": float(accuracy[1]), "pictures": int(accuracy[2]),
            "calibration": float(calibration[1]), "threshold": float(sure[1]),
            "answered": float(sure[2]), "right": float(sure[3])}


@pytest.fixture(scope="module")
def test_images(tmp_path_factory):
    """A directory of folders, one a class: CIFAR-10's test images, or the first 50 of each class."""
    archive = shared_dir() / "data" / "cifar10" / "cifar10.tar.xz"
    if not archive.exists():
        pytest.skip(f"there is no {archive}")
    folder = tmp_path_factory.mktemp("cifar10")
    last = 1000 if os.environ.get("IMGREC_ALL") == "1" else 50
    with tarfile.open(archive, mode="r|xz") as tar:
        for entry in tar:
            name = re.fullmatch(r"(?:\./)?test/([a-z]+)/(\d+)\.jpg", entry.name)
            if name and entry.isfile() and int(name[2]) < last:
                (folder / name[1]).mkdir(exist_ok=True)
                (folder / name[1] / f"{name[2]}.jpg").write_bytes(tar.extractfile(entry).read())
    return folder


def test_it_is_sound_and_small_and_says_what_it_is():
    assert {p.name for p in FOLDER.iterdir()} == {"README.md", "labels.txt", "model.pt",
                                                  "model.yaml"}
    size = sum(p.stat().st_size for p in FOLDER.iterdir())
    print(f"\n{size / 2**20:.1f} MiB")
    assert size <= MOST_BYTES
    assert (FOLDER / "labels.txt").read_text(encoding="utf-8").split() == CLASSES
    said = imgrec_model("check", FOLDER)
    for words in ("name      cifar10-inception", 'classes   10, "airplane" to "truck"',
                  "input     32x32", "CIFAR-10", "licence   Apache-2.0"):
        assert words in said
    promised = card()
    assert promised["pictures"] == 10_000
    threshold = re.search(r"^unsure_below: (.+)$", (FOLDER / "model.yaml").read_text(), re.M)[1]
    assert float(threshold) == promised["threshold"]


def test_it_is_as_good_as_its_card_says(test_images):
    said = imgrec_model("evaluate", "--model", FOLDER, "--photos", test_images)
    print("\n" + said)
    promised = card()
    accuracy, count = re.search(rf"accuracy {PERCENT} of (\d+) photos", said).groups()
    calibration = re.search(rf"calibration error {PERCENT}", said)[1]
    answered, right = re.search(rf"{PERCENT} of the answers, {PERCENT} of them right",
                                said.splitlines()[-1]).groups()
    everything = int(count) == promised["pictures"]
    # Of 500 pictures a hundredth more or less is chance: three standard deviations, of all: none.
    slack = 0.05 if everything else 300 * (0.92 * 0.08 / int(count)) ** 0.5
    assert int(count) in (500, 10_000)
    assert float(accuracy) == pytest.approx(promised["accuracy"], abs=slack)
    assert float(right) == pytest.approx(promised["right"], abs=0.1 if everything else slack)
    assert float(answered) == pytest.approx(promised["answered"], abs=0.1 if everything else 6)
    # Ten bins of few pictures are further off by chance.
    assert float(calibration) <= promised["calibration"] + (0.05 if everything else 4)


def test_evaluate_counts_what_it_can_read_and_names_what_it_cannot(tmp_path):
    for name, count in (("cat", 3), ("truck", 2), ("no class", 1)):
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number}.png").write_bytes(png(number))
    (tmp_path / "cat" / ".hidden").write_bytes(b"")
    (tmp_path / "cat" / ".thumbnails").mkdir()
    (tmp_path / "cat" / ".thumbnails" / "0.png").write_bytes(png(0))
    (tmp_path / "cat" / "itself.png").symlink_to("itself.png")
    said = imgrec_model("evaluate", "--model", FOLDER, "--photos", tmp_path)
    assert " of 5 photos" in said
    assert "folders that are no class, or one of several (1): no class\n" in said
    assert "classes without a folder (8): airplane, automobile, bird, deer, dog," in said
    assert " of 4 photos" in imgrec_model("evaluate", "--model", FOLDER, "--photos", tmp_path,
                                          "--each", 2)
    (tmp_path / "cat" / "notes.jpg").write_bytes(b"these are my notes")
    with pytest.raises(subprocess.CalledProcessError) as failure:
        imgrec_model("evaluate", "--model", FOLDER, "--photos", tmp_path)
    assert failure.value.returncode == 1
    assert "notes.jpg" in failure.value.stderr
    assert "1 of 6 files could not be recognised" in failure.value.stderr
    assert " of 5 photos" in failure.value.stdout
    with pytest.raises(subprocess.CalledProcessError) as failure:
        imgrec_model("evaluate", "--model", FOLDER, "--photos", tmp_path / "no class")
    assert 'is named as one of the model\'s 10 classes, such as "airplane"' in failure.value.stderr


def test_a_cluster_answers_with_it_and_is_not_sure_below_the_threshold(new_cluster, test_images):
    if not (BIN_DIR / "imgrec-worker").exists():
        pytest.skip(f"there is no imgrec-worker in {BIN_DIR}")
    cluster = new_cluster(worker="imgrec-worker", worker_args=["--model", FOLDER])
    cluster.add_workers(1)
    files = [(f"{name}-{path.name}", path.read_bytes()) for name in CLASSES
             for path in sorted((test_images / name).iterdir())[:20]]
    ids = [i for first in range(0, len(files), 50)
           for i in cluster.client.upload(files[first:first + 50])]
    images = cluster.client.wait_done(ids).values()
    threshold = card()["threshold"]
    for image in images:
        assert image["model"] == "cifar10-inception"
        assert image["unsure"] == (image["top"][0]["score"] < threshold), image
    unsure = [image for image in images if image["unsure"]]
    wrong = [image for image in images if not image["name"].startswith(image["top"][0]["label"])]
    print(f"\n{len(files)} images, {len(unsure)} not sure, {len(wrong)} wrong, "
          f"{sum(image['unsure'] for image in wrong)} of these not sure")
    assert 0 < len(unsure) < len(files) / 2
    assert len(wrong) < len(files) / 4
