"""What the browser tests share: one Chromium per file, a fresh system per test, pictures, main().

Environment:
  IMGREC_BIN_DIR    where imgrec-manager, imgrec-worker and imgrec-fake-worker are
  IMGREC_MODEL      model folder (default: models/googlenet); where there is none, the test of real
                    labels is skipped
  IMGREC_SHARED     folder with data/photos (default: shared beside the checkout); likewise
  IMGREC_ARTIFACTS  where screenshots and logs go (default: a temporary folder, named at the end)
  IMGREC_URL        a running mock_server.py to test instead of the real system
  IMGREC_TIMED      1: a build whose speed counts, so the limits on times are checked, not only printed
Exit status 77: skipped, as there is no Chromium.
"""
import csv
import os
import pathlib
import shutil
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
from system_under_test import REPO, MockSystem, RealSystem

SHARED = pathlib.Path(os.environ.get("IMGREC_SHARED") or REPO.parent / "shared")
PHOTOS = SHARED / "data" / "photos"
MODEL = pathlib.Path(os.environ.get("IMGREC_MODEL") or REPO / "models" / "googlenet")
ARTIFACTS = pathlib.Path(os.environ.get("IMGREC_ARTIFACTS") or tempfile.mkdtemp())
MOCK_URL = os.environ.get("IMGREC_URL")
TIMED = os.environ.get("IMGREC_TIMED") == "1"
LOOKS = {"light": (1280, 900, False), "dark": (1280, 900, True),
         "phone": (390, 844, False), "phone-dark": (390, 844, True)}


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


class BrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.page = Page()
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="imgrec-photos-"))

    @classmethod
    def tearDownClass(cls):
        cls.page.close()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def setUp(self):
        self.system = self.new_system()
        self.addCleanup(self.stop_system)

    def new_system(self):
        return MockSystem(MOCK_URL) if MOCK_URL else RealSystem(os.environ["IMGREC_BIN_DIR"], MODEL)

    def stop_system(self):
        self.page.leave()
        self.system.stop(ARTIFACTS / "logs" / self._testMethodName)

    def pictures(self, *names, size=(160, 120)):
        return [png(self.folder / name, number, *size) for number, name in enumerate(names)]

    def shoot(self, name):
        for look, size in LOOKS.items():
            self.page.look(*size)
            self.page.screenshot(ARTIFACTS / f"{name}-{look}.png")
        self.page.look()

    def start_with_photos(self, *names):
        """The page, with these photos recognized, shown in this order: the last is sent first."""
        self.system.start_workers()
        self.page.open(self.system.url)
        for count, picture in enumerate(reversed(self.pictures(*names)), 1):
            self.page.choose(picture)
            self.page.wait_phases(*["done"] * count)

    def server_ids(self, page=None):
        """What the server lists for this browser's session, by name."""
        return (page or self.page).script("""
            return (async () => {
              const all = [];
              let cursor = '';
              do {
                const answer = await fetch(`/api/v1/images?limit=200${cursor}`);
                const page = await answer.json();
                all.push(...page.images.map(({ id, name }) => [id, name]));
                cursor = page.next_cursor ? `&cursor=${encodeURIComponent(page.next_cursor)}` : null;
              } while (cursor);
              return all;
            })()""")


def run(document):
    """main() of a test file; its docstring is shown for --help."""
    if "-h" in sys.argv or "--help" in sys.argv:
        print(document, __doc__, sep="\n")
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
