"""The experiments on hosts, against an ssh that is this machine: what is said to tc, what comes back when there is
no netem, and the browser that runs on the manager's host."""
import os
import pathlib
import stat
import sys

import pytest
from cluster import REPO
from pictures import fake_class, png

sys.path.insert(0, str(REPO / "geni" / "experiments"))
sys.path.insert(0, str(REPO / "geni" / "lab"))
sys.path.insert(0, str(REPO / "geni"))
from browser import RunFailed  # noqa: E402
from figures import Figures, balances, ledger, ready_workers  # noqa: E402
from hosts import Hosts, HostFailed, Machine, Ssh  # noqa: E402
from hosts_backend import HostsBackend  # noqa: E402
from plan import parse_setting  # noqa: E402
import remote_reach  # noqa: E402
from remote_reach import There  # noqa: E402

# Runs what it is told to here, as root in a machine's eyes, and notes for whom.
SSH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
export STUB_HOST=$2 SSH_CONNECTION="10.9.0.1 1 10.9.2.1 22"
[ "$2" != nobody ] || { echo "no route to host" >&2; exit 255; }
exec sh -c "exec $3"
"""
STUBS = {
    "id": "echo 0",
    # Addresses 10.10.N.x are reached by link-N, all others by the control network.
    "ip": """for address; do :; done
case "$address" in
  10.10.*) n=${address#10.10.}; echo "$address dev link-${n%%.*} src x" ;;
  *) echo "$address dev ${STUB_CONTROL:-control} src x" ;;
esac""",
    # What is at a device's root: what was put there, else what the test says, else what a kernel has.
    "tc": """device=$4
root=$STUB_ROOTS/$STUB_HOST-$device
if [ "$1 $2" = "qdisc show" ]; then
  if [ -e "$root" ]; then cat "$root"; else echo "qdisc ${STUB_ROOT:-fq_codel 0:} root refcnt 2"; fi
  exit 0
fi
printf '%s: %s\\n' "$STUB_HOST" "$*" >>"$STUB_CALLS"
[ -z "$STUB_NO_NETEM" ] || { echo "Error: Specified qdisc kind is unknown." >&2; exit 2; }
case "$2" in
  replace) echo "qdisc netem $7 root refcnt 2 limit 100000" >"$root" ;;
  del) rm "$root" ;;
esac""",
    "modprobe": "exit 1",
    "systemctl": """printf '%s: systemctl %s\\n' "$STUB_HOST" "$*" >>"$STUB_CALLS"
[ "$1" != show ] || echo 4""",
}
HOSTS = Hosts(Machine("manager", "m", "10.10.1.1"),
              (Machine("worker-1", "w1", "10.10.1.2", "10.10.1.1"), Machine("worker-2", "w2", "10.10.2.2", "10.10.2.1"),
               Machine("worker-3", "w3", "10.10.3.2", "10.10.3.1")))


@pytest.fixture
def stubs(tmp_path, monkeypatch):
    """A PATH with them; a function that returns what was called since it was asked last."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    for name, text in {"ssh": SSH, **{name: f"#!/bin/sh\n{text}\n" for name, text in STUBS.items()}}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("STUB_CALLS", str(calls))
    monkeypatch.setenv("STUB_ROOTS", str(tmp_path))
    calls.touch()

    def called():
        lines = calls.read_text().splitlines()
        calls.write_text("")
        return lines

    return called


def backend(say=None):
    return HostsBackend(HOSTS, Ssh(), None, None, say or (lambda _: None))


def test_delay_and_loss_are_set_at_both_ends_of_every_link_and_taken_away(stubs):
    hosts = backend()
    hosts._have_links(parse_setting("combined", "delay=500,loss=5"))
    netem = "root handle 1e57: netem delay 500ms loss 5% limit 100000"
    assert stubs() == [*(f"m: qdisc replace dev link-{n} {netem}" for n in (1, 2, 3)),
                       *(f"w{n}: qdisc replace dev link-{n} {netem}" for n in (1, 2, 3))]
    hosts._have_links(parse_setting("workers", "3"))
    assert [call for call in stubs() if "qdisc del" in call] == [
        *(f"m: qdisc del dev link-{n} root" for n in (1, 2, 3)),
        *(f"w{n}: qdisc del dev link-{n} root" for n in (1, 2, 3))]
    hosts._have_links(parse_setting("workers", "2"))
    assert stubs() == [], "there is nothing to take away any more"


def test_without_netem_settings_with_links_are_refused_in_words(stubs, monkeypatch):
    monkeypatch.setenv("STUB_NO_NETEM", "1")
    hosts = backend()
    assert "has no netem (module sch_netem): Error: Specified qdisc kind is unknown." in hosts.unable(
        parse_setting("delay", "500"))
    assert hosts.unable(parse_setting("loss", "5")) and hosts.unable(parse_setting("combined", "delay=1,workers=2"))
    assert hosts.unable(parse_setting("workers", "3")) is None
    assert hosts.unable(parse_setting("failure", "0.5")) is None
    assert "4 workers" in hosts.unable(parse_setting("workers", "4"))


def test_with_netem_nothing_of_the_trial_is_left(stubs):
    hosts = backend()
    assert hosts.unable(parse_setting("workers", "3")) is None and stubs() == [], "nothing is tried for nothing"
    assert hosts.unable(parse_setting("delay", "500")) is None
    calls = stubs()
    assert sum("replace" in call for call in calls) == sum("qdisc del" in call for call in calls) == 6
    assert hosts.unable(parse_setting("loss", "5")) is None and stubs() == [], "once is enough"


@pytest.mark.parametrize("root", ["htb 1:", "tbf 8001:", "fq 8003:", "netem 8001:", "fq_codel 10:"])
def test_what_somebody_put_at_a_device_is_left_alone(stubs, monkeypatch, root):
    monkeypatch.setenv("STUB_ROOT", root)
    hosts = backend()
    assert f"link-1 has a queueing discipline that somebody set up (qdisc {root}" in hosts.unable(
        parse_setting("delay", "500"))
    with pytest.raises(HostFailed, match="would be lost"):
        hosts._have_links(parse_setting("delay", "500"))
    hosts.close()
    assert not [call for call in stubs() if "qdisc" in call]


@pytest.mark.parametrize("root", ["noqueue 0:", "mq 0:", "fq_codel 0:", "pfifo_fast 0:", "fq 0:"])
def test_what_kernels_put_at_a_device_may_go(stubs, monkeypatch, root):
    monkeypatch.setenv("STUB_ROOT", root)
    assert backend().unable(parse_setting("delay", "500")) is None


def test_what_a_session_left_that_was_killed_is_taken_away(stubs):
    backend()._have_links(parse_setting("delay", "500"))
    stubs()
    another = backend()
    assert another.unable(parse_setting("delay", "500")) is None, "it is ours"
    backend()._have_links(parse_setting("delay", "500"))
    stubs()
    another._have_links(parse_setting("workers", "3"))
    assert sum("qdisc del" in call for call in stubs()) == 6


def test_the_device_that_ssh_comes_by_is_left_alone(stubs, monkeypatch):
    monkeypatch.setenv("STUB_CONTROL", "link-1")
    assert "link-1 is also the device by which ssh comes" in backend()._reason_against_links()
    assert stubs() == []


def test_workers_beyond_a_setting_are_stopped_and_come_back(stubs):
    hosts = backend()
    hosts._have_workers(parse_setting("workers", "1"))
    assert stubs() == ["w1: systemctl start imgrec-worker", "w2: systemctl stop imgrec-worker",
                       "w3: systemctl stop imgrec-worker"]
    hosts.close()
    assert stubs() == [f"w{n}: systemctl start imgrec-worker" for n in (1, 2, 3)]


def test_counters_are_of_the_links_devices_only(stubs):
    hosts = backend()
    before = hosts._counters()
    assert before == {"sent": 0, "received": 0, "restarts": 4}, "this machine has no link-1"


def test_counters_that_began_anew_are_not_known(stubs):
    hosts = backend()
    hosts.begin_run()
    assert hosts.end_run()["restarts"] == hosts.end_run()["wire_bits_in"] == 0
    hosts._before = {"sent": 1, "received": 1, "restarts": 5}
    ended = hosts.end_run()
    assert ended["restarts"] is ended["wire_bits_out"] is ended["wire_bits_in"] is None


def test_machines_say_what_they_are(stubs):
    about = backend().about()
    assert about.keys() == {"manager", "worker-1", "worker-2", "worker-3"}
    assert about["manager"]["kernel"] == os.uname().release and int(about["worker-1"]["cores"]) >= 1


def test_a_host_that_is_away_is_named(stubs):
    with pytest.raises(HostFailed, match="nobody cannot be reached by ssh: no route to host"):
        Ssh().root("nobody", "restarts")
    said = []
    broken = HostsBackend(Hosts(HOSTS.manager, (Machine("worker-1", "nobody", "10.10.1.2", "10.10.1.1"),)),
                          Ssh(), None, None, said.append)
    broken.close()
    assert any("Not put back as it was: nobody cannot be reached" in line for line in said)


def test_the_browser_runs_on_the_managers_host(stubs, cluster, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    pictures = [png(number) for number in range(6)]
    for number, data in enumerate(pictures):
        (photos / f"a photo {number}.png").write_bytes(data)
    cluster.add_workers(2)
    there = There(Ssh(), "m", photos, website=cluster.http_address)
    place = pathlib.Path(there._place)
    try:
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        outcome = there.recognise([5, 0, 5, 3], timeout_s=60, linger_s=0.2)
        assert sorted(outcome.photos.values()) == [0, 1, 2, 3] and outcome.doubled == 0
        assert 0 < outcome.first_s <= outcome.total_s
        sent = [pictures[number] for number in (5, 0, 5, 3)]
        for identity, index in outcome.photos.items():
            assert outcome.shown[identity]["top"][0]["index"] == fake_class(sent[index])
        figures = Figures(there.get)
        assert ready_workers(figures.metrics()) == 2
        entries = ledger(figures.metrics())
        assert entries["done"] == 4 and balances(entries)
        with pytest.raises(RunFailed, match="on m: HTTPError"):
            there.get("/nothing")
    finally:
        there.close()
    assert not place.exists()


def test_results_that_do_not_come_in_time_are_a_fault_and_are_counted(stubs, cluster, tmp_path):
    (tmp_path / "a.png").write_bytes(png(1))
    there = There(Ssh(), "m", tmp_path, website=cluster.http_address)  # and there are no workers
    try:
        outcome = there.recognise([0, 0], timeout_s=1, linger_s=0)
        assert outcome.fault == "0 of 2 results came within 1 s" and outcome.total_s is None
        assert len(outcome.photos) == 2 and not outcome.shown
        with pytest.raises(RunFailed, match="0 of 2 results"):
            outcome.whole()
        assert ledger(Figures(there.get).metrics())["open"] == 2, "what is lost stays to be looked at"
    finally:
        there.close()


def test_photos_of_a_run_are_deleted_when_it_is_over(stubs, cluster, tmp_path):
    """Or a hundred runs of 600 photos would fill the manager's disk."""
    (tmp_path / "a.png").write_bytes(png(1))
    cluster.add_workers(1)
    there = There(Ssh(), "m", tmp_path, website=cluster.http_address)
    try:
        outcome = there.recognise([0] * 4, timeout_s=60, linger_s=0)
        entries = ledger(Figures(there.get).metrics())
        assert entries == {"accepted": 4, "done": 4, "failed": 0, "open": 0}, "and stay counted"
        for identity in outcome.photos:
            with pytest.raises(RunFailed, match="404"):
                there.get(f"/api/v1/images/{identity}")
    finally:
        there.close()


def test_a_browser_that_is_lost_is_there_again_for_the_next_question(stubs, cluster, tmp_path):
    (tmp_path / "a.png").write_bytes(png(1))
    there = There(Ssh(), "m", tmp_path, website=cluster.http_address)
    place = pathlib.Path(there._place)
    try:
        there._process.kill()
        there._process.wait()
        with pytest.raises((RunFailed, OSError)):
            there.get("/metrics")
        assert "imgrec_images_open" in there.get("/metrics")
        there._process.kill()
        there._process.wait()
    finally:
        there.close()
    assert not place.exists(), "photos do not stay behind a connection that is lost"


def test_an_answer_that_comes_too_late_is_not_the_next_ones(stubs, cluster, tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(png(1))
    there = There(Ssh(), "m", tmp_path, website=cluster.http_address)
    try:
        with monkeypatch.context() as impatient, pytest.raises(RunFailed, match="does not answer"):
            impatient.setattr(remote_reach, "ANSWER_S", 0.2)
            there.recognise([0], timeout_s=1, linger_s=-1)  # its answer takes a second, as there are no workers
        assert "imgrec_images_open" in there.get("/metrics")
    finally:
        there.close()
