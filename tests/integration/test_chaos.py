"""Real processes under everything at once: workers and the manager are killed, stopped and
restarted at random, their network and the clients' is bad, a worker lies and one hangs. At the end
every image that was answered with 202 is settled as it must be and was shown once.

    IMGREC_CHAOS_SECONDS=300 IMGREC_CHAOS_SEED=7 IMGREC_BIN_DIR=build/release/bin \\
        /usr/bin/python3 -B -m pytest -q -s tests/integration/test_chaos.py
"""
import collections
import os
import random
import signal
import time

import requests

from cluster import balances, wait_until
from gate import BLACK_HOLE, FIN, FLOW, HOLD, RST, UNREAD, Gate
from liar import LyingWorker
from load import LoadClient
from pictures import fake_class

SECONDS = float(os.environ.get("IMGREC_CHAOS_SECONDS", "40"))
SEED = int(os.environ.get("IMGREC_CHAOS_SEED") or time.time_ns() % 1_000_000)
CLIENTS = 4
WORKERS = 4
WORKER_KILL_EVERY_S = 3.0
MANAGER_KILL_EVERY_S = 30.0
MANAGER_ARGS = ["--workers-heartbeat", "300ms", "--workers-dead-after", "2s",
                "--scheduler-first-timeout", "3s", "--scheduler-min-timeout", "1s",
                "--scheduler-max-timeout", "6s", "--shutdown-drain", "1s",
                # What is done to workers here is no image's fault, and a sanitizer on a busy
                # machine times out often.
                "--scheduler-quarantine-after", "8"]


class Chaos:
    """Does one bad thing after the other, each when its time has come."""

    def __init__(self, cluster, gate, http_gate, seed):
        self.cluster = cluster
        self.gate = gate
        self.http_gate = http_gate
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.totals = collections.Counter()  # of the managers that are gone
        self.last_metrics = {}
        self.slots = []
        self.later = []  # (when, what): what mends or follows
        self.next = {}
        self.plans = {
            self.kill_worker: WORKER_KILL_EVERY_S,
            self.stop_worker: 6.0,
            self.restart_worker: 12.0,
            self.kill_manager: MANAGER_KILL_EVERY_S,
            self.stop_manager: 25.0,
            self.restart_manager: 60.0,
            self.harm_network: 1.5,
            self.harm_clients: 2.0,
            self.sample: 0.5,
        }

    # ---- the clock ----
    def run(self, seconds):
        start = time.monotonic()
        for number, (plan, every) in enumerate(self.plans.items()):
            self.next[plan] = start + self.random.uniform(0.3, 1) * min(every, seconds / 3)
        self.next[self.kill_manager] = start + min(MANAGER_KILL_EVERY_S, seconds / 3)
        while time.monotonic() < start + seconds:
            now = time.monotonic()
            for plan, due in list(self.next.items()):
                if due <= now:
                    plan()
                    self.next[plan] = time.monotonic() + self.random.expovariate(
                        1 / self.plans[plan])
            for entry in [e for e in self.later if e[0] <= now]:
                self.later.remove(entry)
                entry[1]()
            time.sleep(0.02)

    def after(self, low, high, action):
        self.later.append((time.monotonic() + self.random.uniform(low, high), action))

    def calm(self):
        """Everything is well again."""
        for _, action in self.later:
            action()
        self.later.clear()
        self.gate.clear()
        self.http_gate.clear()
        self.fill_slots()

    # ---- workers ----
    def fill_slots(self):
        self.slots = [w for w in self.slots if w.alive()]
        while len(self.slots) < WORKERS:
            # One of them hangs: it answers PINGs and no image.
            hangs = self.random.random() < 0.1
            if hangs and not any(w.hangs for w in self.slots):
                self.counts["hanging workers started"] += 1
                worker = self.add_worker("60000")
            else:
                worker = self.add_worker("20")
            worker.hangs = worker.arguments[-1] == "60000"
            self.slots.append(worker)

    def add_worker(self, delay_ms):
        return self.cluster.add_worker("--manager", self.gate.address, "--worker-drain", "1s",
                                       "--delay-ms", delay_ms)

    def victim(self):
        alive = [w for w in self.slots if w.alive()]
        return self.random.choice(alive) if alive else None

    def kill_worker(self):
        worker = self.victim()
        if not worker:
            return
        self.counts["workers killed"] += 1
        worker.kill9()
        self.after(0, 1, self.fill_slots)

    def stop_worker(self):
        worker = self.victim()
        if not worker:
            return
        self.counts["workers stopped for a while"] += 1
        worker.signal(signal.SIGSTOP)
        self.after(0.2, 5, lambda: worker.alive() and worker.signal(signal.SIGCONT))

    def restart_worker(self):
        worker = self.victim()
        if not worker:
            return
        self.counts["workers told to leave"] += 1
        worker.killed = True  # it may be stopped or killed meanwhile: any exit code will do
        worker.signal(signal.SIGTERM)
        self.after(0.5, 2, self.fill_slots)

    # ---- the manager ----
    def kill_manager(self):
        self.sample()
        self.counts["managers killed"] += 1
        self.cluster.kill9_manager()
        self.start_again()

    def restart_manager(self):
        self.sample()
        self.counts["managers told to leave"] += 1
        assert self.cluster.manager.terminate() == 0, self.cluster.manager.tail()
        self.start_again()

    def start_again(self):
        self.totals.update(self.last_metrics)
        self.last_metrics = {}
        self.cluster.restart_manager()
        self.cluster.check_ledger()

    def stop_manager(self):
        manager = self.cluster.manager
        self.counts["managers stopped for a while"] += 1
        manager.signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(0.2, 3))
        manager.signal(signal.SIGCONT)

    def sample(self):
        metrics = self.cluster.metrics()
        ledger = {name: metrics[f"imgrec_images_{name}"]
                  for name in ("accepted_total", "done_total", "failed_total", "open")}
        assert balances({"accepted": ledger["accepted_total"], "done": ledger["done_total"],
                         "failed": ledger["failed_total"], "open": ledger["open"]}), ledger
        self.last_metrics = {name.split('"')[1]: int(value) for name, value in metrics.items()
                             if name.startswith("imgrec_attempts_total")}

    def attempts(self):
        self.sample()
        return self.totals + collections.Counter(self.last_metrics)

    # ---- networks ----
    def harm_network(self):
        """Between the workers and the manager."""
        gate, direction = self.gate, self.random.choice(["up", "down", "both"])
        one_way = self.random.choice(["up", "down"])

        def for_a_while(what, low, high, **faults):
            self.counts[f"network {what}"] += 1
            good = {name: FLOW if name == "stall" else 0 for name in faults}
            gate.set(direction, **faults)
            self.after(low, high, lambda: gate.set(direction, **good))

        def black_hole():
            self.counts["network black hole"] += 1
            gate.newcomers = BLACK_HOLE
            self.after(0.3, 1.5, gate.clear)

        self.random.choice([
            lambda: for_a_while("delay", 1, 4, delay_s=self.random.uniform(0, 0.3), jitter_s=0.1),
            lambda: for_a_while("slow", 0.5, 2, rate=20_000),
            lambda: for_a_while("slices", 1, 3, slices=9),
            lambda: for_a_while("held back", 0.2, 4, stall=HOLD),
            lambda: for_a_while("not read", 0.2, 4, stall=UNREAD),
            lambda: self.note("network cut", gate.cut_one(self.random.choice([FIN, RST]))),
            lambda: self.note("network cut in a frame",
                              gate.cut_within(one_way, self.random.randint(1, 2000))),
            lambda: self.note("network byte changed", gate.corrupt_next(one_way) is None),
            black_hole,
        ])()

    def harm_clients(self):
        """Between the clients and the manager: answers that never arrive, sockets that end. Bytes
        are not changed there: HTTP has no sums."""
        self.random.choice([
            lambda: self.note("client cut", self.http_gate.cut_one(RST)),
            lambda: self.note("client cut", self.http_gate.cut_one(FIN)),
            lambda: self.note("client cut in an answer", self.http_gate.cut_within(
                "down", self.random.randint(1, 3000))),
            lambda: self.note("client cut in a request", self.http_gate.cut_within(
                "up", self.random.randint(1, 3000))),
        ])()

    def note(self, what, happened):
        self.counts[what] += bool(happened)


def check_client(client, images):
    """What the manager has against what the client was promised and shown. Returns how many
    uploads without an answer were kept."""
    by_name = collections.Counter(image["name"] for image in images)
    twice = [name for name, times in by_name.items() if times > 1]
    assert not twice, f"kept twice: {twice}"
    by_id = {image["id"]: image for image in images}
    lost = {i: name for i, name in client.promised.items() if i not in by_id}
    assert not lost, f"answered with 202 and lost: {lost}"
    invented = by_name.keys() - set(client.promised.values()) - client.unsure
    assert not invented, f"nobody sent these, or they were refused: {invented}"
    for image in images:
        sent = client.sent[image["name"]]
        assert image["state"] == ("failed" if sent.meant_to_fail else "done"), image
        if not sent.meant_to_fail:
            assert image["top"][0]["index"] == fake_class(sent.data), image
    not_shown = by_id.keys() - client.shown.keys()
    assert not not_shown, f"settled and never shown: {not_shown}"
    assert client.shown.keys() <= by_id.keys()
    for number, (seq, shown, _) in enumerate(client.shown.values()):
        assert (shown["state"], shown["top"]) == (by_id[shown["id"]]["state"],
                                                  by_id[shown["id"]]["top"])
    return len(images) - len(client.promised)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def report(chaos, clients, kept, ledger, liar):
    counts = collections.Counter()
    for client in clients:
        counts.update(client.counts)
    seconds = [s for client in clients for s in client.seconds()]
    print(f"\nseed {SEED}, {SECONDS:.0f} s, {CLIENTS} sessions, {WORKERS} workers and a liar")
    print("  harm:     ", ", ".join(f"{n} {what}" for what, n in sorted(chaos.counts.items())))
    print("  gate:     ", dict(chaos.gate.counts), "clients' gate:", dict(chaos.http_gate.counts))
    print("  lies:     ", dict(liar.counts))
    print("  clients:  ", ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    print(f"  images:    {ledger['accepted']} accepted ({kept} of them without the client's "
          f"knowing), {ledger['done']} done, {ledger['failed']} failed as meant, 0 lost, "
          f"{sum(len(c.shown) for c in clients)} shown, 0 shown twice")
    print("  attempts: ", ", ".join(f"{n} {what}" for what, n in chaos.attempts().items()))
    print(f"  upload to result on the socket: p50 {percentile(seconds, 0.5):.2f} s, "
          f"p99 {percentile(seconds, 0.99):.2f} s, longest {max(seconds):.2f} s")


def test_nothing_accepted_is_lost_or_shown_twice_in_chaos(new_cluster):
    print(f"\nIMGREC_CHAOS_SEED={SEED} IMGREC_CHAOS_SECONDS={SECONDS:.0f}")
    cluster = new_cluster(manager_args=MANAGER_ARGS)
    host, port = cluster.http_address.split(":")
    gate = Gate(cluster.worker_host_port(), seed=SEED)
    http_gate = Gate((host, int(port)), seed=SEED + 1)
    chaos = Chaos(cluster, gate, http_gate, SEED)
    liar = LyingWorker(gate.address, SEED)
    clients = [LoadClient(http_gate.address, f"c{n}", SEED) for n in range(CLIENTS)]
    try:
        chaos.fill_slots()
        liar.start()
        for client in clients:
            client.start()
        chaos.run(SECONDS)
        chaos.calm()
        for client in clients:
            client.stop_uploading()
        wait_until(lambda: cluster.check_ledger()["open"] == 0, "every image to settle")
        images = [client.listed(cluster.http_address) for client in clients]
        for client, own in zip(clients, images):
            wait_until(lambda: len(client.shown) >= len(own), "every result to be shown", 30)
        time.sleep(1)  # for what must not come: a second showing
    finally:
        liar.stop()
        for client in clients:
            client.stopping.set()
            client.stop_listening()
        gate.close()
        http_gate.close()
    problems = [problem for client in clients for problem in client.problems]
    assert not problems, problems
    kept = sum(check_client(client, own) for client, own in zip(clients, images))
    ledger = cluster.check_ledger()
    assert ledger["accepted"] == sum(len(own) for own in images)
    assert ledger["done"] == sum(i["state"] == "done" for own in images for i in own)
    report(chaos, clients, kept, ledger, liar)
    for worker in cluster.workers:  # stopped ones were continued; all end in good order
        worker.killed = worker.killed or worker.hangs
