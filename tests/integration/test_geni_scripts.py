"""What geni/cluster.sh and geni/imgrec-host.sh say to wrong input, before any machine is asked. What they
do to machines is test_geni_hosts.py."""
import os
import subprocess

import pytest
from cluster import REPO

GENI = REPO / "geni"
MANAGER = "manager: {ssh: ana@pc1, address: 10.10.1.1}\n"
WORKER = "  - {ssh: ana@pc2, address: 10.10.1.2, manager_address: 10.10.1.1}\n"


def run(script, *arguments, **environment):
    # An ssh that fails at once: whatever gets past the checks reaches nobody.
    return subprocess.run([GENI / script, *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env={**os.environ, **environment})


@pytest.fixture
def no_ssh(tmp_path):
    """A PATH whose ssh notes its arguments and finds nobody."""
    folder = tmp_path / "bin"
    folder.mkdir()
    ssh = folder / "ssh"
    ssh.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{tmp_path}/calls\ncat >/dev/null\nexit 255\n')
    ssh.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize("text, line, word", [
    ("", None, "names no manager"),
    (MANAGER, None, "names no workers"),
    (MANAGER + MANAGER, 2, "a manager already"),
    (MANAGER + "workers:\n  - {ssh: ana@pc2, address: 10.10.1.2}\n", 3, "manager_address is missing"),
    (MANAGER + "workers:\n  - {ssh: a, ssh: b, address: c, manager_address: d}\n", 3, "ssh is there twice"),
    (MANAGER + "workers:\n  - {ssh: a, adress: c, manager_address: d}\n", 3, '"adress" is none of'),
    (MANAGER + "workers:\n  - ana@pc2\n", 3, "neither the manager's line"),
    (MANAGER + WORKER, 2, "neither the manager's line"),
    ("manager: {ssh: -oProxyCommand=touch, address: 10.10.1.1}\n", 1, "is no host name or address"),
    ("manager: {ssh: $(touch x), address: 10.10.1.1}\n", 1, "is not KEY: VALUE"),
    ("manager: {ssh: a;b, address: 10.10.1.1}\n", 1, "is no host name or address"),
    ("manager:\n  ssh: ana@pc1\n", 1, "neither the manager's line"),
])
def test_a_wrong_hosts_file_is_refused_by_line(tmp_path, no_ssh, text, line, word):
    hosts = tmp_path / "hosts.yaml"
    hosts.write_text(text)
    done = run("cluster.sh", "status", "--hosts", hosts, **no_ssh)
    assert done.returncode == 2 and word in done.stderr, done.stderr
    if line:
        assert f"hosts.yaml, line {line}:" in done.stderr
    assert not (tmp_path / "calls").exists()


def test_comments_and_spaces_are_no_machines(tmp_path, no_ssh):
    hosts = tmp_path / "hosts.yaml"
    hosts.write_text(f"# ours\n\n{MANAGER}workers:\n# one\n{WORKER}  \n{WORKER.strip()}")
    done = run("cluster.sh", "status", "--hosts", hosts, **no_ssh)
    assert done.returncode == 3, done.stderr
    calls = (tmp_path / "calls").read_text()
    assert calls.count("-- ana@pc1 ") == 1 and calls.count("-- ana@pc2 ") == 2


def test_every_machine_is_asked_and_named_when_none_answers(tmp_path, no_ssh):
    hosts = tmp_path / "hosts.yaml"
    hosts.write_text(MANAGER + "workers:\n" + WORKER)
    for verb in ("status", "start", "stop", "restart", "down"):
        done = run("cluster.sh", verb, "--hosts", hosts, **no_ssh)
        assert done.returncode == 3, done.stderr
        for name in ("manager: ", "worker-1: "):
            assert f"{name}imgrec-host.sh: ana@pc" in done.stdout
        assert "cannot be reached by ssh" in done.stdout


@pytest.mark.parametrize("script, arguments, word", [
    ("cluster.sh", [], "no verb"), ("cluster.sh", ["fly"], 'unknown verb "fly"'),
    ("cluster.sh", ["up"], "--hosts FILE is missing"), ("cluster.sh", ["up", "--hosts"], "needs a value"),
    ("cluster.sh", ["up", "--hosts", "/nonexistent"], "no hosts file"),
    ("cluster.sh", ["up", "somewhere"], 'unknown argument "somewhere"'),
    ("imgrec-host.sh", ["status"], "needs a host"), ("imgrec-host.sh", ["status", "-l"], "no host to ssh to"),
    ("imgrec-host.sh", ["install-worker", "pc1"], "needs --manager"),
    ("imgrec-host.sh", ["install-worker", "pc1", "--fast"], "needs a value"),
    ("imgrec-host.sh", ["logs", "pc1"], "needs a folder"),
    ("pack.sh", ["--on", "pc1", "--build-dir", "x"], "exclude each other"),
])
def test_wrong_usage_is_said(script, arguments, word):
    done = run(script, *arguments)
    assert done.returncode == 2 and word in done.stderr, done.stderr


@pytest.mark.parametrize("script", ["cluster.sh", "imgrec-host.sh", "pack.sh"])
def test_help_is_there(script):
    done = run(script, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: geni/{script} ")


def test_a_token_is_made_for_its_owner_alone(tmp_path, no_ssh):
    hosts, package = tmp_path / "hosts.yaml", tmp_path / "package"
    hosts.write_text(MANAGER + "workers:\n" + WORKER)
    package.write_bytes(b"")
    done = run("cluster.sh", "up", "--hosts", hosts, "--package", package, **no_ssh)
    assert done.returncode == 3
    token = tmp_path / "hosts.yaml.join-token"
    assert token.stat().st_mode & 0o777 == 0o600 and len(token.read_text()) == 64
    before = token.read_text()
    run("cluster.sh", "up", "--hosts", hosts, "--package", package, **no_ssh)
    assert token.read_text() == before


FAKES = {
    # A csh would not understand more than this; who asks for it gets a bash, as one who may sudo.
    "ssh": """#!/bin/sh
for command; do :; done
[ "$command" = "bash --norc -s" ] || { echo "set: Variable name must begin with a letter." >&2; exit 1; }
exec $command""",
    "id": "#!/bin/sh\necho 1000",
    "sudo": """#!/bin/sh
[ "$*" = "-n true" ] || { printf '%s\\n' "$@"; ls "$(dirname "$5")"; }"""}


@pytest.mark.parametrize("arguments", [["status"], ["uninstall", "--purge"]])
def test_the_accounts_login_shell_may_be_any(tmp_path, arguments):
    for name, text in FAKES.items():
        (tmp_path / name).write_text(text + "\n")
        (tmp_path / name).chmod(0o755)
    done = run("imgrec-host.sh", arguments[0], "pc1", *arguments[1:], PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 0 and not done.stderr, done.stderr
    said = done.stdout.splitlines()
    assert said[:4] == ["-n", "env", "LC_ALL=C.UTF-8", "bash"] and said[4].endswith("/setup.sh")
    assert said[5:] == [*arguments, "setup.sh", "software.sh", "sysctl.conf", "units.sh"], "what was sent behind the script is there"
    assert not os.path.exists(said[4])


@pytest.fixture
def clone(tmp_path):
    """A little clone, whose committed pack.sh builds nothing, and is the real one in the folder."""
    folder = tmp_path / "clone"
    (folder / "geni").mkdir(parents=True)
    (folder / "geni/common.sh").write_text((GENI / "common.sh").read_text())
    stub = folder / "geni/pack.sh"
    stub.write_text('#!/bin/sh\nmkdir -p build && echo once >>build/runs && ls >"$2"\n')
    stub.chmod(0o755)
    for name in ("kept", "changed", "removed"):
        (folder / name).write_text("first")
    subprocess.run(["git", "init", "-q", folder], check=True)
    commit(folder)
    return folder


def commit(folder):
    git = ["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.net"]
    subprocess.run([*git, "add", "-A"], check=True)
    old = {**os.environ, "GIT_COMMITTER_DATE": "900000000 +0000"}  # which is what git archive gives all files
    subprocess.run([*git, "commit", "-qm", "what there is"], check=True, env=old)


def test_what_is_built_on_a_host_is_what_is_committed(tmp_path, clone):
    for name, text in FAKES.items():
        (tmp_path / name).write_text(text.replace("exec ", f"HOME={tmp_path}/home exec ") + "\n")
        (tmp_path / name).chmod(0o755)
    out, there = tmp_path / "out", tmp_path / "home/imgrec-build/sources"

    def pack():
        # The stub is what is committed, and so what runs there.
        stub = (clone / "geni/pack.sh").read_text()
        (clone / "geni/pack.sh").write_text((GENI / "pack.sh").read_text())
        done = subprocess.run([clone / "geni/pack.sh", "--on", "pc1", "--out", out], capture_output=True, text=True,
                              timeout=60, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
        (clone / "geni/pack.sh").write_text(stub)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = pack()
    assert "(what there is)" in said and "WARNING: this clone has changes" in said and "geni/pack.sh" in said
    for name in ("kept", "changed"):
        os.utime(there / name, (1e9, 1e9))
    (clone / "changed").write_text("second")
    (clone / "removed").unlink()
    commit(clone)
    pack()
    assert (there / "changed").read_text() == "second"
    assert (there / "changed").stat().st_mtime > 1.5e9, "newer than what was built of it"
    assert (there / "kept").stat().st_mtime == 1e9, "not built again"
    assert out.read_text().split() == ["build", "changed", "geni", "kept"]
    # Cut off between two renames, in either place.
    (there.parent / "new").mkdir()
    (there / "build").rename(there.parent / "new/build")
    there.rename(there.parent / "old")
    pack()
    assert (there / "build/runs").read_text() == "once\n" * 3
    assert sorted(f.name for f in there.parent.iterdir()) == [".lock", "imgrec.tar.gz", "sources"]


def test_an_access_token_is_the_managers_alone_and_nobody_elses(tmp_path, no_ssh):
    access, package, join = tmp_path / "access", tmp_path / "package", tmp_path / "join"
    package.write_bytes(b"")
    access.write_text("z" * 64)
    access.chmod(0o640)
    options = ["--package", package, "--token-file", join, "--access-token-file", access]
    done = run("imgrec-host.sh", "install-manager", "pc1", *options, **no_ssh)
    assert done.returncode == 3 and "can be read by others" in done.stderr
    access.chmod(0o600)
    done = run("imgrec-host.sh", "install-worker", "pc1", "--manager", "a", *options, **no_ssh)
    assert done.returncode == 2 and "is for install-manager" in done.stderr
    assert not (tmp_path / "calls").exists()
    done = run("imgrec-host.sh", "install-manager", "pc1", *options, **no_ssh)
    assert done.returncode == 3 and "cannot be reached" in done.stderr


@pytest.mark.parametrize("role, variable", [("manager", "IMGREC_WORKERS_TOKEN_FILE"),
                                            ("worker", "IMGREC_WORKER_TOKEN_FILE")])
def test_a_unit_names_its_token_in_words_that_each_systemd_knows(role, variable):
    """%d is known from version 250 on; before, Ubuntu 22.04's, the whole variable is dropped."""
    script = f". {GENI}/remote/units.sh; print_unit {role} /opt/imgrec/releases/1 '' 5s ''"
    unit = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert f"Environment={variable}=/run/credentials/imgrec-{role}.service/join-token\n" in unit
    assert "%" not in unit
