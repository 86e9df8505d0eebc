"""models/README.md says how a classifier of torchvision becomes a model folder. Its lines are run as
they stand, with random weights put where they look for downloaded ones, and the folder's answers are
compared with those of the network in Python."""
import json
import pathlib
import re
import subprocess
import textwrap

import pytest

from cluster import BIN_DIR
from pictures import png

README = pathlib.Path(__file__).resolve().parents[2] / "models" / "README.md"
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's torchvision
# Largest difference of a probability. Both run the same weights, in another order of sums.
TOLERANCE = 1e-4

# What the documented lines would download, made here: spread enough that classes differ.
MAKE_WEIGHTS = """
import pathlib, sys, torch, torchvision
torch.manual_seed(1)
network = torchvision.models.resnet18(weights=None)
with torch.no_grad():
    network.fc.weight *= 12
url = torchvision.models.ResNet18_Weights.DEFAULT.url
checkpoints = pathlib.Path(sys.argv[1]) / "hub" / "checkpoints"
checkpoints.mkdir(parents=True)
torch.save(network.state_dict(), checkpoints / url.rsplit("/", 1)[1])
"""

# The picture has 256x256 pixels, so that no resizing comes between; torchvision's own transforms
# do the rest.
ANSWER = """
import json, sys, torch, torchvision
from PIL import Image
network = torchvision.models.resnet18(weights="DEFAULT").eval()
prepare = torchvision.models.ResNet18_Weights.DEFAULT.transforms()
with torch.inference_mode():
    pixels = prepare(Image.open(sys.argv[1]).convert("RGB"))
    scores = network(pixels.unsqueeze(0)).softmax(1)[0]
best = scores.topk(5)
print(json.dumps([best.indices.tolist(), best.values.tolist()]))
"""


SAVE_WEIGHTS = 'import torch; torch.save({"weight": torch.zeros(2)}, "model.pt")'
SAVE_A_PAIR = """
import torch
class Pair(torch.nn.Module):
    def forward(self, x):
        return x.mean([2, 3])[:, :2], x
torch.jit.save(torch.jit.trace(Pair(), torch.zeros(1, 3, 224, 224)), "model.pt")
"""


def documented(language):
    section = README.read_text().split("## From torchvision", 1)[1].split("\n## ", 1)[0]
    return textwrap.dedent(re.search(rf"```{language}\n(.*?)```", section, re.S)[1])


def run(command, directory, **more):
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300,
                            **more)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A directory in which the documented lines were run; (directory, environment)."""
    if not (BIN_DIR / "imgrec-model").exists():
        pytest.skip(f"there is no imgrec-model in {BIN_DIR}")
    if subprocess.run([PYTHON, "-c", "import torchvision"], capture_output=True).returncode != 0:
        pytest.skip("there is no torchvision: install the Debian package python3-torchvision")
    directory = tmp_path_factory.mktemp("torchvision")
    environment = {"TORCH_HOME": str(directory / "torch"), "PATH": f"{BIN_DIR}:/usr/bin:/bin",
                   "HOME": str(directory), "http_proxy": "http://127.0.0.1:9"}
    run([PYTHON, "-c", MAKE_WEIGHTS, directory / "torch"], directory, env=environment)
    lines = documented("python")
    assert len([line for line in lines.splitlines() if line.strip()]) <= 6, "about five lines"
    run([PYTHON, "-c", lines], directory, env=environment)
    said = run(["bash", "-euc", documented("sh")], directory, env=environment)
    assert re.search(r"(?m)^name +resnet18$", said), said
    assert re.search(r'(?m)^classes +1000, "tench" to "toilet tissue"$', said), said
    return directory, environment


def test_the_documented_lines_make_a_folder_that_is_good(exported):
    directory, environment = exported
    said = run(["imgrec-model", "check", "resnet18"], directory, env=environment)
    assert "logits" in said and "224x224, out of the middle of 256x256" in said
    spec = (directory / "resnet18" / "model.yaml").read_text()
    scale = re.search(r"(?m)^scale: \[(.*)\]$", spec)[1]
    assert [round(1 / float(x) / 255, 6) for x in scale.split(", ")] == [0.229, 0.224, 0.225]


def test_it_answers_as_the_network_does_in_python(exported):
    directory, environment = exported
    largest = 0
    for number in range(3):
        (directory / "picture.png").write_bytes(png(number * 31, width=256, height=256))
        classes, scores = json.loads(run([PYTHON, "-c", ANSWER, "picture.png"], directory,
                                         env=environment))
        ours = json.loads(run(["imgrec-model", "classify", "--model", "resnet18", "--json",
                               "picture.png"], directory, env=environment))["top"]
        print(f"\n{[(c, round(s, 5)) for c, s in zip(classes, scores)]}")
        assert [place["index"] for place in ours] == classes
        difference = max(abs(place["score"] - score) for place, score in zip(ours, scores))
        largest = max(largest, difference)
        assert scores[0] > 0.02, "the test's weights must tell classes apart"
    print(f"largest difference of a probability: {largest:.1e}; the limit is {TOLERANCE:.0e}")
    assert largest <= TOLERANCE


SCRIPT = """
import sys, torch, torchvision
network = getattr(torchvision.models, sys.argv[1])(weights=None).eval()
torch.jit.script(network).save("model.pt")
"""


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_a_scripted_network_is_compiled_as_a_traced_one_is(exported, tmp_path, name):
    directory, environment = exported
    run([PYTHON, "-c", SCRIPT, name], tmp_path, env=environment)
    (tmp_path / "labels.txt").write_bytes((directory / "resnet18" / "labels.txt").read_bytes())
    said = run(["imgrec-model", "describe", "."], tmp_path, env=environment)
    assert re.search(r"(?m)^runs +compiled$", said), said


def test_what_is_not_there_or_wrong_is_said(exported, tmp_path):
    _, environment = exported
    (tmp_path / "labels.txt").write_text("cat\ndog\n")

    def describe(*words):
        result = subprocess.run(["imgrec-model", "describe", *words], cwd=tmp_path, text=True,
                                capture_output=True, env=environment, timeout=120)
        return result.returncode, result.stderr

    code, said = describe(".")
    assert code == 1 and "model.pt" in said, said
    assert not (tmp_path / "model.yaml").exists()
    (tmp_path / "model.pt").write_bytes(b"no network")
    code, said = describe(".", "--name", "broken")
    assert code == 1 and "no model.yaml is written" in said, said
    assert "this is no TorchScript: save it with torch.jit.save" in said, said
    assert not (tmp_path / "model.yaml").exists()
    for lines, advice in ((SAVE_WEIGHTS, "this is no TorchScript"),
                          (SAVE_A_PAIR, "forward must return one tensor; try torch.jit.trace")):
        run([PYTHON, "-c", lines], tmp_path, env=environment)
        code, said = describe(".")
        assert code == 1 and advice in said, said
    (tmp_path / "model.yaml").write_text("kept")
    code, said = describe(".")
    assert code == 1 and "--force" in said, said
    code, said = describe(".", "--force")
    assert code == 1 and (tmp_path / "model.yaml").read_text() == "kept", said
    assert describe()[0] == 2
    assert describe(".", "--filter", "cubic")[0] == 2
    assert describe(".", "--scale", "1,2")[0] == 2
