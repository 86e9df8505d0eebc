"""The Helm chart, without a cluster: what it renders is what Kubernetes and our own programs take, and
what its documents say. Run by ci/chart_check.sh, which builds helm and its tools."""
import copy
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO / "helm"), str(REPO / "tests" / "integration")]

import draw_test_photo  # noqa: E402
import readme  # noqa: E402

CHART = REPO / "helm" / "imgrec"
TOOLS = pathlib.Path(os.environ["IMGREC_CHART_TOOLS"])
BIN_DIR = pathlib.Path(os.environ.get("IMGREC_BIN_DIR", REPO / "build/release/bin")).resolve()
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
VERSIONS = sorted((d.name for d in (TOOLS / "schemas").glob("v*")),
                  key=lambda v: [int(n) for n in v[1:].split(".")])
SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
METRICS = (REPO / "docs" / "metrics.md").read_text("utf-8")
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))


def tool(name, *arguments, check=True, **keywords):
    done = subprocess.run([TOOLS / "bin" / name, *map(str, arguments)], capture_output=True,
                          text=True, timeout=120, **keywords)
    if check:
        assert done.returncode == 0, f"{name} {arguments}:\n{done.stdout}{done.stderr}"
    return done


def rendered(values, version=VERSIONS[-1], check=True):
    return tool("helm", "template", "rel", CHART, "--namespace", "photos", "--values", values,
                "--kube-version", version, check=check)


@functools.cache
def objects(values):
    return [o for o in yaml.safe_load_all(rendered(values).stdout) if o]


def by_name(paths):
    return [path.name for path in paths]


# ---- what Kubernetes says

@pytest.mark.parametrize("values", VALUES, ids=by_name(VALUES))
def test_helm_finds_nothing_to_complain_about(values):
    tool("helm", "lint", "--strict", CHART, "--values", values)


def test_there_are_three_versions_and_the_chart_takes_the_oldest():
    assert len(VERSIONS) == 3
    oldest = ".".join(VERSIONS[0][1:].split(".")[:2])
    wanted = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["kubeVersion"]
    assert wanted == f">={oldest}.0-0"
    said = (CHART / "README.md").read_text("utf-8")
    for version in VERSIONS:
        assert version[1:].rsplit(".", 1)[0] in said


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(version, tmp_path):
    for values in VALUES:
        (tmp_path / values.name).write_text(rendered(values, version).stdout, "utf-8")
    pattern = "{{.ResourceKind}}{{.KindSuffix}}.json"
    said = tool("kubeconform", "-strict", "-summary", "-output", "json",
                "-schema-location", TOOLS / "schemas" / version / pattern,
                "-schema-location", TOOLS / "schemas" / "crds" / pattern, tmp_path, check=False)
    result = json.loads(said.stdout)
    assert not result["resources"], result["resources"]
    assert result["summary"]["skipped"] == 0
    assert result["summary"]["valid"] == sum(
        sum(1 for o in yaml.safe_load_all(f.read_text("utf-8")) if o) for f in tmp_path.iterdir())


def test_what_kubernetes_does_not_know_is_found(tmp_path):
    """The schemas are strict: else the test above would pass whatever it was shown."""
    text = rendered(CHART / "ci" / "default-values.yaml").stdout
    (tmp_path / "wrong.yaml").write_text(text.replace("podManagementPolicy", "podManagmentPolicy"))
    said = tool("kubeconform", "-strict", "-schema-location",
                TOOLS / "schemas" / VERSIONS[0] / "{{.ResourceKind}}{{.KindSuffix}}.json", tmp_path,
                check=False)
    assert said.returncode == 1
    assert "podManagmentPolicy" in said.stdout


@pytest.mark.parametrize("missing", ["pytest", "yaml"])
def test_the_check_says_which_packages_it_misses(missing, tmp_path):
    (tmp_path / f"{missing}.py").write_text("raise ImportError")
    done = subprocess.run([REPO / "ci/chart_check.sh"], capture_output=True, text=True, timeout=60,
                          env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 77
    assert "SKIPPED" in done.stderr and f"python3-{missing}" in done.stderr


def test_the_documents_build_the_images_that_the_chart_pulls():
    version = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["appVersion"]
    built = (REPO / "docker" / "README.md").read_text("utf-8")
    for image in ("imgrec-manager", "imgrec-worker"):
        assert f"-t registry.example/{image}:{version}" in built
        assert f"docker push registry.example/{image}:{version}" in built
    for file in (REPO / "README.md", REPO / "helm" / "README.md", CHART / "README.md"):
        command = re.search(r"helm install photos (?:.*\\\n)*.*", file.read_text("utf-8"))[0]
        for kind in ("manager", "worker"):
            assert f"{kind}.image.registry=registry.example" in command, file
        tags = set(re.findall(r"image\.tag=([\w.]+)", command))
        assert tags <= {version}, file


def test_it_has_the_version_of_what_it_installs():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    project = re.search(r"project\(imgrec VERSION ([\d.]+)",
                        (REPO / "CMakeLists.txt").read_text("utf-8"))[1]
    assert chart["version"] == chart["appVersion"] == project


class OnceLoader(yaml.SafeLoader):
    """Takes no key twice, where the last would win in silence."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key is there twice: {sorted(keys)}"
        return super().construct_mapping(node, deep)


@pytest.mark.parametrize("values", VALUES, ids=by_name(VALUES))
def test_no_key_is_there_twice(values):
    assert list(yaml.load_all(rendered(values).stdout, OnceLoader))


def test_a_key_that_is_there_twice_is_found():
    with pytest.raises(AssertionError, match="a key is there twice"):
        yaml.load("a: {b: 1, b: 2}", OnceLoader)


# ---- unit tests of the templates

def test_templates_do_what_their_unit_tests_say():
    print(tool("helm-unittest", CHART).stdout)


def test_every_template_has_unit_tests():
    named = {name for suite in (CHART / "tests").glob("*_test.yaml")
             for name in yaml.safe_load(suite.read_text("utf-8").replace("&three", ""
                                        ).replace("*three", "{}"))["templates"]}
    templates = {path.name for path in (CHART / "templates").iterdir() if path.suffix != ".tpl"}
    assert templates == named


# ---- values

def resolve(schema):
    return SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def value_paths(values, schema, path=()):
    """(path, value, schema) of all values, down to what has no properties of its own."""
    schema = resolve(schema)
    if isinstance(values, dict) and "properties" in schema:
        yield path, values, schema
        for key, value in values.items():
            inner = schema["properties"].get(key)
            assert inner is not None, f"values.schema.json knows no {'.'.join((*path, key))}"
            yield from value_paths(value, inner, (*path, key))
    else:
        yield path, values, schema


def test_every_value_is_in_the_schema_and_every_property_of_the_schema_is_a_value():
    # What a user may leave out, or what Kubernetes has more of: nothing that a default would show.
    free = {"options", "resources", "livenessProbe", "readinessProbe", "startupProbe", "authenticationRef"}
    for path, values, schema in value_paths(DEFAULTS, SCHEMA):
        if "properties" in schema and not free & set(path):
            missing = set(schema["properties"]) - set(values) - {"global"}
            assert not missing, f"values.yaml has no {'.'.join(path)}.{missing}"


def test_every_value_has_its_sentence_and_the_table_is_current():
    text = (CHART / "values.yaml").read_text("utf-8")
    documented = readme.documented(text)
    assert len(documented) > 100
    told = [path for path, _, _ in documented]
    assert len(told) == len(set(told))
    file = (CHART / "README.md").read_text("utf-8")
    assert file == readme.with_table(file, documented), "run helm/readme.py"


def test_a_value_without_a_sentence_is_found():
    with pytest.raises(ValueError, match="line 2: a.b has no sentence"):
        readme.documented("a:\n  b: 1\n  # -- Said.\n  c: 2\n")


def put(values, path, value):
    values = copy.deepcopy(values)
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return values


def test_a_misspelt_value_is_refused_wherever_it_stands():
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert not list(validator.iter_errors(DEFAULTS))
    closed = 0
    for path, values, schema in value_paths(DEFAULTS, SCHEMA):
        if "properties" in schema:
            errors = list(validator.iter_errors(put(DEFAULTS, (*path, "mispelt"), 1) if path
                                                else {**DEFAULTS, "mispelt": 1}))
            assert errors, f"{'.'.join(path)} takes anything"
            closed += 1
    assert closed > 30


@pytest.mark.parametrize("setting, words", [
    ("manager.replicsa=2", "additional properties 'replicsa' not allowed"),
    ("manager.replicas=0", "minimum: got 0, want 1"),
    ("manager.replicas=two", "got string, want integer"),
    ("manager.persistence.size=20GB", "does not match pattern"),
    ("manager.persistence.whenDeleted=Maybe", "value must be one of 'Retain', 'Delete'"),
    ("worker.image.pullPolicy=Sometimes", "value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("worker.image.digest=sha256:12", "does not match pattern"),
    ("worker.model.source=web", "value must be one of 'bundled', 'claim', 'image'"),
    ("fullnameOverride=a.b", "does not match pattern"),
    ("fullnameOverride=9a", "does not match pattern"),
    ("nameOverride=a.b", "does not match pattern"),
    ("joinToken.value=short", "minLength: got 5, want 32"),
    ("autoscaling.minReplicas=0", "minimum: got 0, want 1"),
    ("ingress.hosts={https://photos.example}", "does not match pattern"),
    (r"manager.options.storage\.keepfor=1h", "additional properties 'storage.keepfor' not allowed"),
])
def test_a_wrong_value_is_refused_in_words(setting, words):
    done = tool("helm", "template", "rel", CHART, "--set", setting, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert setting.split("=")[0].split(".")[0] in done.stderr


# ---- metrics

def documented_metrics():
    """{name: (type, the row)} of docs/metrics.md."""
    return {row[1]: (row[2], row[0]) for row in
            re.finditer(r"^\| `(imgrec_\w+)` \| (\w+) \|.*$", METRICS, re.M)}


def check_query(query, metrics):
    names = re.findall(r"\b(imgrec_\w+)(?:\{([^}]*)\})?", query)
    assert names, f"no metric of ours in {query}"
    for name, selector in names:
        known = {base for base, (kind, _) in metrics.items() if name == base or
                 kind == "histogram" and re.fullmatch(rf"{base}_(bucket|sum|count)", name) or
                 kind == "summary" and re.fullmatch(rf"{base}_(sum|count)", name)}
        assert known, f"{query}: docs/metrics.md has no {name}"
        row = metrics[known.pop()][1]
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', selector):
            if label in ("namespace", "service"):
                continue  # Prometheus's own
            assert f"`{label}`" in row, f"{query}: {name} has no label {label}"
            assert f"`{value}`" in METRICS, f"{query}: {label} of {name} is never {value}"
    for labels in re.findall(r"\bby \(([\w, ]+)\)", query):
        for label in set(labels.split(", ")) - {"le", "pod"}:
            assert all(f"`{label}`" in metrics[n][1] for n, _ in names), f"{query}: no label {label}"


def test_every_query_of_the_dashboard_asks_for_what_there_is():
    metrics = documented_metrics()
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text("utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) > 20
    for query in queries:
        check_query(query, metrics)
    for variable in dashboard["templating"]["list"][1:]:
        check_query(variable["query"], metrics)
    # And nothing that the manager tells is left out.
    shown = " ".join(queries)
    of_managers = [name for name in metrics if not name.startswith(("imgrec_worker_", "imgrec_build_"))]
    assert not [name for name in of_managers if name not in shown]


def test_what_scales_and_what_the_readme_names_is_there():
    metrics = documented_metrics()
    scaled = [o for o in objects(CHART / "ci" / "shards-values.yaml") if o["kind"] == "ScaledObject"]
    check_query(scaled[0]["spec"]["triggers"][0]["metadata"]["query"], metrics)
    text = (CHART / "README.md").read_text("utf-8")
    named = set(re.findall(r"\bimgrec_\w+", text)) - {"imgrec_images_waiting"}  # the adapter's
    assert named <= set(metrics)


def test_a_query_for_what_is_not_there_is_found():
    with pytest.raises(AssertionError, match="docs/metrics.md has no imgrec_queue_length"):
        check_query("sum(imgrec_queue_length)", documented_metrics())
    with pytest.raises(AssertionError, match="state of imgrec_workers is never readi"):
        check_query('imgrec_workers{state="readi"}', documented_metrics())


# ---- our own programs

def program(name):
    path = BIN_DIR / name
    if not path.exists():
        pytest.skip(f"there is no {name} in {BIN_DIR}")
    return path


@functools.cache
def option_keys(name):
    """The options' keys, from the flags of --help: "--port PORT ... [--http-port]" is http.port."""
    said = subprocess.run([program(name), "--help"], capture_output=True, text=True, timeout=60,
                          check=True).stdout
    flags = [alias or flag for flag, alias in
             re.findall(r"^  --([a-z-]+)\b(?:.*\[--([a-z-]+)\]$)?", said, re.M)]
    general = {"config", "check-config", "version", "help"}
    return {flag.replace("-", ".", 1) for flag in flags if flag not in general}


@pytest.mark.parametrize("name", ["imgrec-manager", "imgrec-worker"])
def test_the_schema_knows_the_options_that_there_are(name):
    kind = name.split("-")[1]
    keys = option_keys(name)
    if "ops.listen" not in keys:
        pytest.skip(f"{name} is of before the operations port")
    assert set(SCHEMA["$defs"][f"{kind}Options"]["properties"]) == keys


@pytest.mark.parametrize("name", ["imgrec-manager", "imgrec-worker"])
def test_no_argument_gets_round_what_the_chart_decides(name):
    """Every flag of a reserved key, the second ones that only --help tells among them."""
    kind = name.split("-")[1]
    validate = (CHART / "templates" / "validate.yaml").read_text("utf-8")
    reserved = set(re.findall(r'"([a-z]+\.[a-z-]+)" "', validate.split("$aliases")[0]))
    said = subprocess.run([program(name), "--help"], capture_output=True, text=True, timeout=60,
                          check=True).stdout
    flags = {"config", "check-config", "version", "help"}
    for flag, alias in re.findall(r"^  --([a-z-]+)\b(?:.*\[--([a-z-]+)\]$)?", said, re.M):
        if (alias or flag).replace("-", ".", 1) in reserved:
            flags |= {flag, alias} - {""}
    assert len(flags) > 10
    for form in ("--{}", "--{}=1"):
        arguments = ",".join(form.format(flag) for flag in sorted(flags))
        done = tool("helm", "template", "rel", CHART, "--set", f"{kind}.extraArgs={{{arguments}}}",
                    check=False)
        refused = set(re.findall(rf"{kind}\.extraArgs has --([a-z-]+),", done.stderr))
        assert refused == flags


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    """A folder that stands for / in a Pod: its secrets, its model, its data."""
    root = tmp_path_factory.mktemp("pod")
    for folder in ("imgrec-join", "imgrec-access", "imgrec-tls"):
        (root / "run/secrets" / folder).mkdir(parents=True)
    for folder in ("imgrec-join", "imgrec-access"):
        (root / "run/secrets" / folder / "token").write_text("0123456789abcdef" * 2)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=managers", "-keyout", "tls.key", "-out", "tls.crt"], check=True,
                   capture_output=True, timeout=60, cwd=root / "run/secrets/imgrec-tls")
    shutil.copy(root / "run/secrets/imgrec-tls/tls.crt", root / "run/secrets/imgrec-tls/ca.crt")
    (root / "models").mkdir()
    for folder in ("copy", "googlenet"):
        shutil.copytree(REPO / "models/cifar10-inception", root / "models" / folder)
    return root


PATHS = re.compile(r"^/(run/secrets|models|var/lib)/")


def container(values, kind):
    found = [o for o in objects(values) if o["kind"] == kind]
    assert len(found) == 1
    return found[0]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("values", VALUES, ids=by_name(VALUES))
@pytest.mark.parametrize("name, kind", [("imgrec-manager", "StatefulSet"),
                                        ("imgrec-worker", "Deployment")])
def test_the_programs_take_what_the_chart_gives_them(values, name, kind, secrets):
    box = container(values, kind)
    ours = {entry["name"]: entry.get("value", "rel-0") for entry in box["env"]}
    assert len(ours) == len(box["env"]), "a variable is there twice"
    # The programs ignore variables that they do not know: a misspelt one would do nothing.
    keys = option_keys(name) | {"ops.listen"}
    known = {"IMGREC_" + re.sub(r"[.-]", "_", key).upper() for key in keys}
    assert {n for n in ours if n.startswith("IMGREC_")} <= known
    environment = {"PATH": os.environ["PATH"]}
    environment |= {n: f"{secrets}{v}" if PATHS.match(v) else v for n, v in ours.items()}
    # The image's own: the bundled model beside the program.
    environment.setdefault("IMGREC_WORKER_MODEL", str(REPO / "models/cifar10-inception"))
    done = subprocess.run([program(name), *box.get("args", []), "--check-config"], env=environment,
                          capture_output=True, text=True, timeout=60, cwd=secrets)
    assert done.returncode == 0, done.stderr


def test_a_variable_that_a_program_does_not_take_is_found():
    done = subprocess.run([program("imgrec-manager"), "--check-config"], capture_output=True, text=True,
                          timeout=60, env={"IMGREC_SHUTDOWN_DRAIN": "soon"})
    assert done.returncode == 2
    assert "IMGREC_SHUTDOWN_DRAIN" in done.stderr


# ---- helm test

def test_the_picture_is_what_its_program_draws():
    def pixels(data):
        start = data.index(b"IDAT") + 4
        length = int.from_bytes(data[start - 8:start - 4], "big")
        return draw_test_photo.zlib.decompress(data[start:start + length])

    assert pixels(draw_test_photo.FILE.read_bytes()) == pixels(draw_test_photo.picture())


def test_the_script_of_helm_test_tells_right_from_wrong(tmp_path):
    from cluster import Cluster

    for name in ("imgrec", "imgrec-manager", "imgrec-worker"):
        program(name)
    script = CHART / "files" / "test.sh"
    cluster = Cluster(tmp_path, worker="imgrec-worker",
                      worker_args=["--model", REPO / "models/cifar10-inception"])
    cluster.start()
    try:
        cluster.add_workers(1)
        manager = cluster.http_address

        def run(label, *managers):
            return subprocess.run(
                ["sh", script, *managers], capture_output=True, text=True, timeout=120,
                env={"PATH": f"{BIN_DIR}:{os.environ['PATH']}", "LABEL": label, "TIMEOUT": "20s"})

        good = run("ship", manager, manager)
        assert (good.returncode, good.stdout) == (0, f"{manager}: ship\n" * 2), good.stderr
        assert run("", manager).returncode == 0
        wrong = run("frog", manager)
        assert wrong.returncode == 1
        assert 'it says "ship", and should say "frog"' in wrong.stderr
        nobody = run("ship", "127.0.0.1:1", manager)
        assert nobody.returncode == 1
        assert "127.0.0.1:1: not recognised" in nobody.stderr
        assert nobody.stdout == f"{manager}: ship\n"
    finally:
        cluster.close()
