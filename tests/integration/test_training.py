"""imgrec-train as somebody uses it for the first time: what it says where something is wrong, what
Ctrl-C does, and what it takes a checkpoint for. The pictures are of few colours, the network is
the smallest; how well it learns is the unit tests' business."""
import re
import signal
import subprocess

import pytest
from cluster import BIN_DIR
from pictures import png

TRAIN = BIN_DIR / "imgrec-train"
SMALL = ["--size", "8", "--width", "25", "--batch", "16", "--threads", "1"]
INTERRUPTED = 130


def make_pictures(directory, classes=("cat", "dog"), each=12, first=0):
    for name in classes:
        (directory / name).mkdir(parents=True)
        for number in range(first, first + each):
            (directory / name / f"{number}.png").write_bytes(png(number * 5 + len(name)))
    return directory


@pytest.fixture
def workshop(tmp_path):
    """A directory with "pets", folders of two classes; the command line runs in it."""
    if not TRAIN.exists():
        pytest.skip(f"there is no imgrec-train in {BIN_DIR}")
    make_pictures(tmp_path / "pets")
    return tmp_path


def train(directory, *words, data="pets", out="model", epochs=1):
    return subprocess.run([TRAIN, "--data", data, "--out", out, "--epochs", str(epochs), *SMALL,
                           *words], cwd=directory, capture_output=True, text=True, timeout=300)


def refused(directory, *words, **more):
    done = train(directory, *words, **more)
    assert done.returncode in (1, 2), done.stdout + done.stderr
    assert "epoch 1 of" not in done.stdout, "it is found before the training"
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_it_makes_a_folder_and_its_card_says_what_was_done(workshop):
    (workshop / "pets" / "dog" / "itself").symlink_to("itself")
    done = train(workshop, "--classes", "dog,cat", data="pets/", out="new/place/model", epochs=2)
    assert done.returncode == 0, done.stderr
    assert "  dog/itself: a link that leads to no file\n" in done.stdout
    assert "note: of fewer than 100 held-out pictures" in done.stdout
    folder = workshop / "new" / "place" / "model"
    assert {p.name for p in folder.parent.iterdir()} == {"model", "model.checkpoint"}
    assert (folder / "labels.txt").read_text() == "cat\ndog\n"
    card = (folder / "README.md").read_text()
    assert "trained by imgrec-train on pets\n" in card and " --classes cat,dog " in card
    # A smaller number than is done already: the model is written at once, and says how many were.
    done = train(workshop, "--checkpoint", "new/place/model.checkpoint", out="again", epochs=1)
    assert done.returncode == 0, done.stderr
    card = (workshop / "again" / "README.md").read_text()
    assert ", 2 epochs, " in card and " --epochs 2 " in card


def test_what_would_fail_in_the_end_fails_at_once(workshop):
    (workshop / "taken").mkdir()
    assert "taken exists; give another --out, or --force" in refused(workshop, out="taken")
    (workshop / "taken" / "letter").write_text("dear")
    assert "is no model folder" in refused(workshop, "--force", out="taken")
    (workshop / "link").symlink_to("taken")
    assert "link is a link; name a folder" in refused(workshop, "--force", out="link")
    assert "cannot make a directory in /proc" in refused(workshop, out="/proc/model")
    assert "cannot write /proc/x.new" in refused(workshop, "--checkpoint", "/proc/x")
    assert "name: needs 1 to 100 bytes" in refused(workshop, "--name", "x" * 101)
    (workshop / "pets" / "two\nlines").mkdir()
    assert "cannot be a class" in refused(workshop)
    assert "--test: there is no folder" in refused(workshop, "--test", "taken", "--classes",
                                                   "cat,dog")
    make_pictures(workshop / "few", each=1)
    assert "no class has two pictures" in refused(workshop, data="few")
    left = {p.name for p in workshop.iterdir()}
    assert left == {"pets", "taken", "link", "few"}, "nothing was tried that stayed"


def test_a_checkpoint_is_of_its_pictures_and_classes(workshop):
    assert train(workshop, out="one").returncode == 0
    mine = ["--checkpoint", "one.checkpoint"]
    make_pictures(workshop / "others", first=100)
    make_pictures(workshop / "zoo", classes=("cat", "yak"))
    for words, remedy in ((mine, "--restart"), (["--with", "one.checkpoint"], "go together")):
        said = refused(workshop, *words, data="others", out="two")
        assert "one.checkpoint was trained on other pictures" in said and remedy in said
        said = refused(workshop, *words, data="zoo", out="two")
        assert "other classes: cat, dog; this training has cat, yak" in said and remedy in said
    (workshop / "two.checkpoint").write_text("damaged")
    assert "begin anew with --restart" in refused(workshop, out="two")
    assert "there is no checkpoint none" in refused(workshop, "--restart", "--with", "none", out="two")
    assert train(workshop, "--restart", "--with", "one.checkpoint", out="two").returncode == 0


def interrupted(directory, *words):
    """Ctrl-C after the first epoch; (exit code, stdout, stderr)."""
    program = subprocess.Popen([TRAIN, "--data", "pets", "--out", "model", "--epochs", "500", *SMALL,
                                *words], cwd=directory, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    said = ""
    while "epoch 1 of" not in said:
        line = program.stdout.readline()
        assert line, said + program.stderr.read()
        said += line
    program.send_signal(signal.SIGINT)
    out, errors = program.communicate(timeout=300)
    return program.returncode, said + out, errors


def test_what_is_interrupted_goes_on_as_it_says(workshop):
    code, _, said = interrupted(workshop)
    assert code == INTERRUPTED
    assert "ending after this epoch; again: at once\n" in said
    epochs = int(re.search(r"after epoch (\d+); the same command goes on from model.checkpoint",
                           said)[1])
    done = train(workshop, epochs=epochs)
    assert done.returncode == 0 and f"going on after epoch {epochs}" in done.stdout, done.stderr
    code, _, said = interrupted(workshop, "--restart", "--force")
    assert code == INTERRUPTED
    assert "; the same command without --restart goes on from model.checkpoint" in said
