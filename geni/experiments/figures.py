"""What the manager says of itself: its metrics, its cluster page's figures, its ledger.

    figures = Figures(reach.get)
    ledger(figures.metrics())
"""
import json


class Figures:
    def __init__(self, get):
        """`get`: the text of a path of the manager's website."""
        self._get = get

    def metrics(self):
        """{'name{label="x"}': value}."""
        samples = {}
        for line in self._get("/metrics").splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def cluster(self):
        return json.loads(self._get("/api/v1/cluster"))


def ready_workers(metrics):
    return int(metrics['imgrec_workers{state="ready"}'])


def ledger(metrics):
    return {key: int(metrics[f"imgrec_images_{name}"]) for key, name in
            (("accepted", "accepted_total"), ("done", "done_total"), ("failed", "failed_total"),
             ("open", "open"))}


def balances(entries):
    return entries["accepted"] == entries["done"] + entries["failed"] + entries["open"]


def attempts(metrics, result):
    return int(metrics.get(f'imgrec_attempts_total{{result="{result}"}}', 0))


def retransmissions(metrics):
    """Of all connections to workers since the manager began, or None where it does not say."""
    value = metrics.get("imgrec_worker_retransmissions_total")
    return None if value is None else int(value)


def grown(before, after):
    """By how much a counter grew, or None where that is not known: it is not there, or began anew."""
    return None if before is None or after is None or after < before else after - before


def wire_bits(before, after):
    """Columns: what the manager says went to workers and came from them in between; none where it does
    not say, and nothing in them where it began anew."""
    names = {"wire_bits_out": 'imgrec_worker_wire_bytes_total{direction="out"}',
             "wire_bits_in": 'imgrec_worker_wire_bytes_total{direction="in"}'}
    return {column: grown(8 * int(before[name]), 8 * int(after[name])) for column, name in names.items()
            if name in before and name in after}


def mean_rtt_ms(cluster):
    trips = [worker["tcp_rtt_ms"] for worker in cluster["workers"] if worker["tcp_rtt_ms"] is not None]
    return sum(trips) / len(trips) if trips else None
