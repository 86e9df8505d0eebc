#!/usr/bin/python3
"""The website in a real browser, against the real manager and workers.

Environment:
  IMGREC_BIN_DIR    where imgrec-manager, imgrec-worker and imgrec-fake-worker are
  IMGREC_MODEL      model folder (default: models/googlenet); where there is none, the test of real
                    labels is skipped
  IMGREC_SHARED     folder with data/photos (default: shared beside the checkout); likewise
  IMGREC_ARTIFACTS  where screenshots and logs go (default: a temporary folder, named at the end)
  IMGREC_URL        a running mock_server.py to test instead of the real system
Exit status 77: skipped, as there is no Chromium.
"""
import csv
import json
import os
import pathlib
import struct
import sys
import tempfile
import unittest
import zlib

sys.dont_write_bytecode = True  # the checkout stays clean

try:
    from page import CHROMEDRIVER, CHROMIUM, Page
except ImportError as error:
    print(f"SKIPPED: no Selenium for Python ({error})")
    sys.exit(77)
from selenium.webdriver.common.keys import Keys
from system_under_test import REPO, MockSystem, RealSystem

SHARED = pathlib.Path(os.environ.get("IMGREC_SHARED") or REPO.parent / "shared")
PHOTOS = SHARED / "data" / "photos"
MODEL = pathlib.Path(os.environ.get("IMGREC_MODEL") or REPO / "models" / "googlenet")
ARTIFACTS = pathlib.Path(os.environ.get("IMGREC_ARTIFACTS") or tempfile.mkdtemp())
MOCK_URL = os.environ.get("IMGREC_URL")
FIRST_LOAD_LIMIT = 60 * 1024  # bytes


def png(path, hue, width=160, height=120):
    """A small picture that differs with `hue`."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack("!I", len(data)) + body + struct.pack("!I", zlib.crc32(body))
    rows = b"".join(b"\0" + bytes(v for x in range(width)
                                  for v in ((hue * 37 + x) % 256, (y * 2) % 256, (hue * 91) % 256))
                    for y in range(height))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" +
                     chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return path


def certain_photos(count):
    """Real photos that the reference answers surely and rightly: [(path, synset id)]."""
    with open(PHOTOS / "reference.tsv", newline="") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            synset, score = row["top1"].split(":")
            if row["file"].startswith(synset) and float(score) > 0.9:
                yield PHOTOS / row["file"], synset
                count -= 1
                if count == 0:
                    return


class WebsiteTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.page = Page()
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="imgrec-photos-"))

    @classmethod
    def tearDownClass(cls):
        cls.page.close()
        for file in cls.folder.iterdir():
            file.unlink()
        cls.folder.rmdir()

    def setUp(self):
        self.system = (MockSystem(MOCK_URL) if MOCK_URL else
                       RealSystem(os.environ["IMGREC_BIN_DIR"], MODEL))
        self.addCleanup(self.stop_system)

    def stop_system(self):
        self.page.driver.get("about:blank")
        self.page.look()
        self.system.stop(ARTIFACTS / "logs" / self._testMethodName)

    def pictures(self, *names):
        return [png(self.folder / name, number) for number, name in enumerate(names)]

    def shoot(self, name):
        for look, size in {"light": (1280, 900, False), "dark": (1280, 900, True),
                           "phone": (390, 844, False), "phone-dark": (390, 844, True)}.items():
            self.page.look(*size)
            self.page.screenshot(ARTIFACTS / f"{name}-{look}.png")
        self.page.look()

    # ---- the tests ----

    def test_first_load_is_small_and_asks_nobody_else(self):
        self.page.open(self.system.url)
        self.shoot("empty")
        entries = json.loads(self.page.script(
            "return JSON.stringify([...performance.getEntriesByType('navigation'),"
            "...performance.getEntriesByType('resource')])"))
        files = [e for e in entries if "/api/" not in e["name"]]
        self.assertGreater(len(files), 10)
        self.assertLess(sum(e["decodedBodySize"] for e in files), FIRST_LOAD_LIMIT)
        for entry in entries:
            self.assertTrue(entry["name"].startswith(self.system.url), entry["name"])
        self.assertEqual(self.page.complaints(), [])

    def test_five_dropped_photos_get_their_five_labels_without_a_reload(self):
        if not (PHOTOS / "reference.tsv").exists():
            self.skipTest(f"no photos with known labels in {PHOTOS}")
        if not MOCK_URL and not (MODEL / "model.pt").exists():
            self.skipTest(f"no model in {MODEL}")
        if not self.system.has_real_workers():
            self.skipTest(f"no imgrec-worker in {self.system.bin_dir}: built without LibTorch")
        self.system.start_workers(3, with_model=True)
        photos = list(certain_photos(5))
        self.page.open(self.system.url)
        self.page.wait(lambda: self.page.text("cluster").startswith("3 workers ready"),
                       "three workers")
        self.page.script("window.neverReloaded = true")
        self.assertTrue(self.page.drop(*[path for path, _ in photos]), "the veil over the page")
        self.page.wait_phases(*["done"] * 5)
        cards = self.page.cards()
        self.assertEqual([c["name"] for c in cards], [path.name for path, _ in photos])
        self.assertEqual([c["full"].split()[0] for c in cards], [synset for _, synset in photos])
        for card in cards:
            self.assertNotRegex(card["title"], r"n\d{8}|,")
            self.assertEqual(len(card["ranks"]), 5)
            self.assertRegex(card["score"], r"^>?\d+%$")
            self.assertRegex(card["meta"], r"^[\d.]+ m?s · worker-[123] · \S+")
        self.assertEqual(self.page.text("summary"), "All 5 recognized")
        self.assertTrue(self.page.script("return window.neverReloaded"))
        self.shoot("five-photos")
        self.assertEqual(self.page.complaints(), [])

    def test_photos_chosen_in_the_file_dialog(self):
        self.system.start_workers()
        self.page.open(self.system.url)
        self.page.choose(*self.pictures("one.png", "two.png"))
        self.page.wait_phases("done", "done")
        self.page.choose(*self.pictures("three.png"))
        self.page.wait_phases("done", "done", "done")
        self.assertEqual([c["name"] for c in self.page.cards()],
                         ["three.png", "one.png", "two.png"])

    def test_a_bad_file_says_so_in_words_and_disturbs_no_other(self):
        self.system.start_workers()
        bad = self.folder / "notes <b>bold.png"
        bad.write_text("these are my notes, not a picture")
        first, last = self.pictures("first.png", "last.png")
        self.page.open(self.system.url)
        self.page.choose(first, bad, last)
        self.page.wait_phases("done", "rejected", "done")
        card = self.page.card(bad.name)  # the name is text, whatever it looks like
        self.assertEqual(card["title"], "Not accepted")
        self.assertRegex(card["detail"], r"^[A-Z].{20,}\.$")
        self.assertFalse(card["retry"])
        self.assertEqual(self.page.text("summary"), "2 of 3 recognized · 1 error")
        self.page.wait(lambda: bad.name in self.page.text("announcer"), "the announcement")
        self.shoot("bad-file")

    def test_a_reload_in_the_middle_keeps_everything(self):
        names = [f"photo-{n}.png" for n in range(4)]
        self.page.open(self.system.url)
        self.page.wait(lambda: "Waiting for workers" in self.page.text("banners"), "the message")
        self.page.choose(*self.pictures(*names))
        self.page.wait_phases(*["queued"] * 4)
        self.shoot("no-workers")
        self.page.reload()
        self.page.wait_phases(*["queued"] * 4)
        self.assertEqual(sorted(c["name"] for c in self.page.cards()), names)
        self.system.start_workers()
        self.page.wait_phases(*["done"] * 4)
        self.page.wait(lambda: self.page.text("banners") == "", "the message to go")
        self.page.reload()
        self.page.wait_phases(*["done"] * 4)
        self.page.wait(lambda: self.page.script(
            "return [...document.querySelectorAll('.card img')].every((i) => i.naturalWidth)"),
            "the pictures from the server")

    def test_a_lost_connection_is_told_and_then_everything_completes(self):
        self.page.open(self.system.url)
        self.page.choose(*self.pictures("before-1.png", "before-2.png"))
        self.page.wait_phases("queued", "queued")

        def meanwhile():
            self.page.wait(lambda: "Connection lost" in self.page.text("banners"), "the message")
            self.page.choose(*self.pictures("during.png"))
            self.page.wait_phases("waiting", "queued", "queued")
            self.shoot("connection-lost")
        self.system.outage(meanwhile)
        self.system.start_workers()
        self.page.wait_phases("done", "done", "done")
        self.page.wait(lambda: self.page.text("banners") == "", "the message to go")
        ids = [card["id"] for card in self.page.cards()]
        self.page.reload()
        self.page.wait_phases("done", "done", "done")
        self.assertEqual(sorted(c["id"] for c in self.page.cards()), sorted(ids))

    def test_two_people_see_only_their_own_photos(self):
        self.system.start_workers()
        other = Page()
        self.addCleanup(other.close)
        self.page.open(self.system.url)
        other.open(self.system.url)
        mine, theirs = self.pictures("mine.png", "theirs.png")
        self.page.choose(mine)
        other.choose(theirs)
        self.page.wait_phases("done")
        other.wait_phases("done")
        for page, name in ((self.page, "mine.png"), (other, "theirs.png")):
            page.reload()
            page.wait_phases("done")
            self.assertEqual([c["name"] for c in page.cards()], [name])
        secret = self.page.cards()[0]["id"]
        status = other.script(
            "return fetch(`/api/v1/images/${arguments[0]}`).then((a) => a.status)", secret)
        self.assertEqual(status, 404)

    def test_deleting_by_keyboard_reaches_the_other_tab_and_stays(self):
        self.system.start_workers()
        self.page.open(self.system.url)
        self.page.choose(*self.pictures("a.png", "b.png", "c.png"))
        self.page.wait_phases("done", "done", "done")
        driver, tab = self.page.driver, self.page.driver.current_window_handle
        driver.switch_to.new_window("tab")
        self.page.open(self.system.url, fresh=False)
        self.page.wait_phases("done", "done", "done")
        second = driver.current_window_handle
        driver.switch_to.window(tab)
        self.page.script("document.querySelector('.card-delete').focus()")
        driver.switch_to.active_element.send_keys(Keys.ENTER)
        self.page.wait_phases("done", "done")
        self.assertEqual([c["name"] for c in self.page.cards()], ["b.png", "c.png"])
        self.assertEqual(self.page.script("return document.activeElement.ariaLabel"),
                         "Delete b.png")
        driver.switch_to.window(second)
        self.page.wait_phases("done", "done")
        driver.close()
        driver.switch_to.window(tab)
        self.page.reload()
        self.page.wait_phases("done", "done")

    def test_a_hundred_photos_and_their_history_page_by_page(self):
        self.system.start_workers(delay_ms=5)
        names = [f"{n:03}.png" for n in range(100)]
        self.page.open(self.system.url)
        self.page.drop(*self.pictures(*names))
        self.page.wait(lambda: self.page.text("summary") == "All 100 recognized", "all of them")
        self.assertEqual([c["name"] for c in self.page.cards()], names)
        self.shoot("hundred")
        self.page.reload()
        for shown in (48, 96, 100):
            self.page.wait(lambda count=shown: len(self.page.cards()) == count, f"{shown} cards")
            if shown < 100:
                self.page.press("#more")
        self.assertEqual(sorted(c["name"] for c in self.page.cards()), names)
        self.page.wait(lambda: self.page.script("return document.getElementById('more').hidden"),
                       "no more to show")


if __name__ == "__main__":
    if "-h" in sys.argv or "--help" in sys.argv:
        print(__doc__)
        sys.exit(0)
    if not CHROMIUM or not CHROMEDRIVER:
        print("SKIPPED: no chromium or no chromedriver on this machine")
        sys.exit(77)
    if not MOCK_URL and not os.environ.get("IMGREC_BIN_DIR"):
        sys.exit("set IMGREC_BIN_DIR to the folder of the built programs, or IMGREC_URL to the "
                 "address of mock_server.py")
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    print(f"screenshots and logs: {ARTIFACTS}", flush=True)
    unittest.main(verbosity=2)
