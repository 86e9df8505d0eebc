#!/usr/bin/python3
"""The Cluster page in a real browser, against the real manager and workers that recognise nothing.

Environment:
  IMGREC_BIN_DIR    where imgrec-manager and imgrec-fake-worker are
  IMGREC_ARTIFACTS  where screenshots and logs go (default: a temporary folder, named at the end)
Exit status 77: skipped, as there is no Chromium.
"""
import contextlib
import json
import os
import pathlib
import secrets
import signal
import struct
import sys
import tempfile
import threading
import unittest
import urllib.request
import zlib

sys.dont_write_bytecode = True  # the checkout stays clean

try:
    import axe
    from page import CHROMEDRIVER, CHROMIUM, Page
except ImportError as error:
    print(f"SKIPPED: no Selenium for Python ({error})")
    sys.exit(77)
from selenium.webdriver.common.keys import Keys
from system_under_test import RealSystem

ARTIFACTS = pathlib.Path(os.environ.get("IMGREC_ARTIFACTS") or tempfile.mkdtemp())
CHART_JS = pathlib.Path("/usr/share/javascript/chart.js/chart.min.js")
FIRST_LOAD_LIMIT = 150 * 1024  # bytes transferred
LOOKS = {"light": (1280, 900, False), "dark": (1280, 900, True),
         "phone": (390, 844, False), "phone-dark": (390, 844, True)}

ROWS = """
return [...document.querySelectorAll('.worker')].map((row) => Object.fromEntries(
  [['id', row.dataset.state], ...[...row.cells].map((cell) => [
    cell.className.match(/cell-(\\w+)/)[1], cell.querySelector('.cell-text').textContent])]));
"""


def png(hue, width=160, height=120):
    def chunk(kind, data):
        body = kind + data
        return struct.pack("!I", len(data)) + body + struct.pack("!I", zlib.crc32(body))
    row = bytes(v for x in range(width) for v in ((hue * 37 + x) % 256, x, (hue * 91) % 256))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress((b"\0" + row) * height, 0)) + chunk(b"IEND", b""))


class Load:
    """Somebody who uploads, a few images at a time, until it is over."""

    def __init__(self, url, people=2):
        self.url = url
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.upload, daemon=True) for _ in range(people)]
        for thread in self.threads:
            thread.start()

    def upload(self):
        session = secrets.token_hex(16)
        number = 0
        while not self.over.is_set():
            number += 1
            send(self.url, png(number), session, wait=5 if number % 8 == 0 else 0)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(timeout=20)


def send(url, body, session, wait=0):
    request = urllib.request.Request(f"{url}api/v1/images?wait={wait}", data=body, method="POST", headers={
        "Content-Type": "image/png", "X-Filename": "a.png", "X-Session": session})
    with contextlib.suppress(OSError):
        urllib.request.urlopen(request, timeout=20).read()


class ClusterPageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.page = Page()

    @classmethod
    def tearDownClass(cls):
        cls.page.close()

    def setUp(self):
        self.start_system()

    def start_system(self):
        self.system = RealSystem(os.environ["IMGREC_BIN_DIR"])
        self.addCleanup(self.stop_system, self.system)

    def stop_system(self, system):
        self.page.leave()
        system.stop(ARTIFACTS / "logs" / self._testMethodName)

    def open(self, workers=0, delay_ms=20):
        if workers:
            self.system.start_workers(workers, delay_ms=delay_ms)
        self.page.open(f"{self.system.url}cluster")
        self.page.wait(lambda: self.tile("workers") != "–", "the first figures")
        if workers:
            self.page.wait(lambda: self.tile("workers") == str(workers), f"{workers} workers")

    def load(self, people=2):
        load = Load(self.system.url, people)
        self.addCleanup(load.stop)
        return load

    # ---- what the page shows ----

    def tile(self, name, part="value"):
        return self.page.script("return document.querySelector(arguments[0]).textContent",
                                f"#tile-{name} .tile-{part}")

    def rows(self):
        return {row["name"]: row for row in self.page.script(ROWS)}

    def states(self):
        return {name: row["state"] for name, row in self.rows().items()}

    def wait_states(self, **expected):
        wanted = {f"worker-{name[1:]}": state for name, state in expected.items()}
        self.page.wait(lambda: self.states() == wanted, f"the workers {wanted}")

    def chart(self, name):
        return self.page.script("return document.querySelector(arguments[0]).ariaLabel ?? ''",
                                f"#chart-{name} canvas")

    def stale(self):
        return self.page.script("return document.body.classList.contains('stale')")

    def shoot(self, name):
        """In every look; all of the page."""
        for look, (width, height, dark) in LOOKS.items():
            self.page.look(width, height, dark)
            wide = self.page.script("return document.documentElement.scrollWidth")
            self.assertLessEqual(wide, width, f"{name}, {look}: scrolls sideways")
            tall = self.page.script("return document.documentElement.scrollHeight")
            self.page.look(width, min(max(tall, height), 4000), dark)
            self.page.screenshot(ARTIFACTS / f"{name}-{look}.png")
        self.page.look()

    def check_accessible(self, what):
        source = axe.script()
        if source is None:
            self.skipTest("no axe-core: ci/test-tools.sh could not install it")
        for look, size in LOOKS.items():
            self.page.look(*size)
            self.assertEqual(axe.violations(self.page, source), [], f"{what}, {look}")
        self.page.look()

    # ---- the tests ----

    def test_without_workers_it_says_how_to_start_one(self):
        self.open()
        port = self.system.worker_address.rsplit(":", 1)[1]
        self.assertEqual(self.page.text("command"),
                         f"imgrec-worker --manager 127.0.0.1:{port} --model FOLDER")
        self.assertEqual(self.tile("workers"), "0")
        self.assertEqual(self.tile("latency"), "–")
        self.shoot("empty")
        self.check_accessible("without workers")
        self.assertEqual(self.page.complaints(), [])

    def test_workers_join_and_leave_live(self):
        self.open()
        self.system.start_workers(3)
        self.wait_states(w1="Ready", w2="Ready", w3="Ready")
        self.page.wait(lambda: "worker-" in self.page.text("announcer")
                       and self.page.text("announcer").endswith("joined."), "the announcement")
        self.assertFalse(self.page.script("return document.getElementById('workers').hidden"))
        self.assertTrue(self.page.script("return document.getElementById('empty').hidden"))
        self.assertEqual(self.tile("workers"), "3")
        self.system.workers[1].kill()
        self.wait_states(w1="Ready", w2="Left", w3="Ready")
        self.assertEqual(self.tile("workers"), "2")
        self.page.wait(lambda: "worker-2 left." in self.page.text("announcer"), "the announcement")
        self.shoot("one-left")
        self.wait_states(w1="Ready", w3="Ready")
        self.page.wait(lambda: "now 2," in self.chart("workers"), "the chart of workers")
        self.assertEqual(self.page.complaints(), [])

    def test_a_worker_that_drains_says_so(self):
        self.open(workers=2, delay_ms=4000)
        session = secrets.token_hex(16)
        for number in range(4):
            send(self.system.url, png(number), session)
        self.page.wait(lambda: self.rows()["worker-1"]["in_flight"].startswith("2 of"), "its work")
        self.system.workers[0].send_signal(signal.SIGTERM)
        self.wait_states(w1="Draining", w2="Ready")
        self.assertEqual(self.tile("workers", "note"), "1 draining · 0 left out")
        self.wait_states(w1="Left", w2="Ready")

    def test_figures_move_under_load_and_history_is_there_at_once(self):
        if not CHART_JS.exists():
            self.skipTest("no Chart.js: libjs-chart.js is not installed")
        self.open(workers=3)
        load = self.load()
        self.page.wait(lambda: float(self.tile("throughput").replace(",", "")) > 1, "throughput")
        self.page.wait(lambda: self.tile("latency").endswith("s"), "latency")
        self.page.wait(lambda: all(row["done"] != "0" for row in self.rows().values()), "work done")
        self.page.wait(lambda: self.page.script(
            "return Chart.getChart(document.querySelector('#chart-throughput canvas'))"
            ".data.datasets[0].data.filter((point) => point.y > 0).length") > 3, "points of the chart")
        self.assertRegex(self.tile("images", "note"), r"^= [\d,]+ done \+ 0 failed \+ [\d,]+ open$")
        self.assertRegex(self.chart("latency"), r"p99: now [\d.]+ m?s, from")
        for row in self.rows().values():
            self.assertRegex(row["rtt_ms"], r"^(<?[\d.]+ m?s)$")
            self.assertRegex(row["wire_out_bits_per_s"], r"^[\d.]+ [kM]bit/s$")
            self.assertRegex(row["retransmitted_share"], r"^(<?[\d.]+ %|–)$")
            self.assertRegex(row["delivery_bits_per_s"], r"bit/s$")
        self.assertRegex(self.page.text("wire"), r"^[\d.]+ [kM]bit/s to workers, [\d.]+ [kM]bit/s back · "
                         r"[\d.]+ [KM]iB and [\d.]+ [KM]iB in all · [\d.<]+ % resent · \w+$")
        self.assertRegex(self.chart("data"), r"To workers: now [\d.]+ [kM]bit/s")
        self.shoot("load")
        self.check_accessible("under load")
        self.page.reload()
        self.page.wait(lambda: self.page.script(
            "return document.querySelectorAll('#chart-throughput tbody tr').length") > 0, "a table")
        self.assertRegex(self.chart("throughput"), r"to [\d.,]+ images/s", "before this page was opened")
        load.stop()
        self.page.wait(lambda: self.tile("throughput") == "0", "quiet")
        self.assertEqual(self.page.complaints(), [])

    def test_a_lost_connection_is_told_and_its_figures_are_marked(self):
        self.open(workers=2)

        def meanwhile():
            self.page.wait(lambda: "Connection lost" in self.page.text("banners"), "the message")
            self.assertRegex(self.page.text("banners"), r"as it was at \d\d:\d\d:\d\d\.")
            self.assertTrue(self.stale())
            self.assertEqual(self.page.text("cluster"), "not connected")
            self.assertEqual(len(self.rows()), 2, "what was known stays")
            self.shoot("lost")
            self.check_accessible("while the connection is lost")
        self.system.outage(meanwhile)
        self.page.wait(lambda: self.page.text("banners") == "", "the message to go")
        self.page.wait(lambda: not self.stale(), "new figures")
        self.wait_states(w1="Ready", w2="Ready")
        self.assertEqual(self.page.text("cluster"), "live")

    def sockets(self):
        return json.load(urllib.request.urlopen(f"{self.system.url}api/v1/cluster", timeout=10))["sockets"]

    def test_going_back_and_forth_leaves_no_connection_behind(self):
        self.open(workers=1)
        for _ in range(3):
            self.page.open(self.system.url, fresh=False)
            self.page.open(f"{self.system.url}cluster", fresh=False)
        self.page.wait(lambda: self.sockets() == 1, "one page's connection only")
        kept = self.page.script("window.kept = true; return true")
        self.page.open(self.system.url, fresh=False)
        self.page.driver.back()
        self.page.wait_connected()
        if self.page.script("return window.kept === true") != kept:
            self.skipTest("this browser kept no page to go back to")
        self.page.wait(lambda: self.sockets() == 1, "its connection again")
        self.page.wait(lambda: not self.stale() and self.page.text("banners") == "", "new figures")
        self.assertEqual(self.page.complaints(), [])

    def test_a_server_that_asks_for_its_token_is_told(self):
        token = secrets.token_hex(16)
        file = pathlib.Path(tempfile.mkdtemp()) / "token"
        self.addCleanup(file.parent.rmdir)
        self.addCleanup(file.unlink)
        file.write_text(token + "\n")
        file.chmod(0o600)
        os.environ["IMGREC_HTTP_TOKEN_FILE"] = str(file)
        self.addCleanup(os.environ.pop, "IMGREC_HTTP_TOKEN_FILE")
        self.start_system()
        self.page.open(f"{self.system.url}cluster", connected=False)
        self.page.wait(lambda: "Access token needed" in self.page.text("banners"), "the message")
        self.page.wait(lambda: self.page.script(
            "return document.activeElement.id") == "token-input", "the dialog")
        self.assertEqual(self.page.text("cluster"), "no access")
        self.check_accessible("without the token")
        self.page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)  # not now
        self.page.press("#banners button")  # Enter token
        self.page.driver.switch_to.active_element.send_keys(token, Keys.ENTER)
        self.page.wait(lambda: self.page.text("cluster") == "live", "the figures", timeout=30)
        self.assertEqual(self.page.text("banners"), "")

    def test_the_table_is_sorted_by_keyboard_and_on_a_phone_by_its_menu(self):
        self.open(workers=11)
        order = "return [...document.querySelectorAll('.cell-name .cell-text')].map((e) => e.textContent)"
        names = [f"worker-{n}" for n in range(1, 12)]
        self.assertEqual(self.page.script(order), names)
        self.page.script("document.querySelector('#workers-table thead button').focus()")
        self.page.driver.switch_to.active_element.send_keys(Keys.ENTER)
        self.assertEqual(self.page.script(order), names[::-1])
        self.assertEqual(self.page.script(
            "return document.querySelector('#workers-table thead th').ariaSort"), "descending")
        self.page.driver.switch_to.active_element.send_keys(Keys.TAB)
        self.page.driver.switch_to.active_element.send_keys(Keys.SPACE)
        self.assertEqual(self.page.script(
            "return [...document.querySelectorAll('th[aria-sort]')].map((e) => e.textContent)"), ["State"])
        self.page.look(*LOOKS["phone"])
        self.assertLessEqual(self.page.script("return document.documentElement.scrollWidth"), 390)
        self.page.script("const menu = document.getElementById('sort'); menu.value = 'name';"
                         "menu.dispatchEvent(new Event('change'))")
        self.assertEqual(self.page.script(order), names)
        self.assertTrue(self.page.script("return document.getElementById('sort').checkVisibility()"))

    def test_forty_workers(self):
        self.open(workers=40, delay_ms=50)
        self.load(people=4)
        self.page.wait(lambda: sum(row["done"] != "0" for row in self.rows().values()) > 20, "work")
        self.shoot("forty")
        self.check_accessible("with forty workers")

    def test_first_load_is_small_and_asks_nobody_else(self):
        self.system.start_workers(2)
        self.open()
        self.page.wait(lambda: self.chart("throughput"), "a chart")
        entries = json.loads(self.page.script(
            "return JSON.stringify([...performance.getEntriesByType('navigation'),"
            "...performance.getEntriesByType('resource')])"))
        self.assertGreater(len(entries), 10)
        transferred = sum(entry["transferSize"] for entry in entries)
        print(f"first load: {transferred} bytes in {len(entries)} answers", flush=True)
        self.assertLess(transferred, FIRST_LOAD_LIMIT)
        for entry in entries:
            self.assertTrue(entry["name"].startswith(self.system.url), entry["name"])
        self.assertEqual(self.page.complaints(), [])

    def test_without_its_library_the_page_says_so_and_has_tables(self):
        os.environ["IMGREC_HTTP_CHART_JS"] = str(ARTIFACTS / "no-such-file.js")
        self.addCleanup(os.environ.pop, "IMGREC_HTTP_CHART_JS")
        self.start_system()
        self.open(workers=1)
        self.page.wait(lambda: "libjs-chart.js" in self.page.text("charts-note"), "the message")
        self.page.wait(lambda: self.page.script(
            "return document.querySelectorAll('#chart-workers details[open] tbody tr').length") > 0, "a table")
        self.shoot("no-library")
        self.check_accessible("without the library")
        self.assertRegex("".join(self.page.complaints()), "vendor/chart.js")  # the browser's own line


if __name__ == "__main__":
    if "-h" in sys.argv or "--help" in sys.argv:
        print(__doc__)
        sys.exit(0)
    if not CHROMIUM or not CHROMEDRIVER:
        print("SKIPPED: no chromium or no chromedriver on this machine")
        sys.exit(77)
    if not os.environ.get("IMGREC_BIN_DIR"):
        sys.exit("set IMGREC_BIN_DIR to the folder of the built programs")
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    print(f"screenshots and logs: {ARTIFACTS}", flush=True)
    unittest.main(verbosity=2)
