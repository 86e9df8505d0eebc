#!/usr/bin/python3
"""The website with the model that comes with imgrec: which model it is, what it knows, how to get the
bigger one, and answers that are not sure. --help lists the environment."""
import os
import re
import tarfile
import unittest

import axe
from harness import LOOKS, MOCK_URL, REPO, SHARED, BrowserTest, RealSystem, run

BUNDLED = REPO / "models" / "cifar10-inception"
CIFAR = SHARED / "data" / "cifar10" / "cifar10.tar.xz"
BADGES = """
return Object.fromEntries([...document.querySelectorAll('.card')].map((card) => [
  card.querySelector('.card-name').textContent,
  [...card.querySelectorAll('.unsure-badge')].some((badge) => badge.checkVisibility())]));
"""


class BundledModelTest(BrowserTest):
    def new_system(self):
        if MOCK_URL:
            self.skipTest("the mock has no models")
        system = RealSystem(os.environ["IMGREC_BIN_DIR"], BUNDLED)
        if not system.has_real_workers():
            system.stop()
            self.skipTest(f"no imgrec-worker in {system.bin_dir}: built without LibTorch")
        return system

    def visible(self, element_id):
        return self.page.script("return document.getElementById(arguments[0]).checkVisibility()",
                                element_id)

    def test_both_pages_say_what_it_knows_and_how_to_get_more(self):
        self.system.start_workers(1, with_model=True)
        self.page.open(self.system.url)
        self.page.wait(lambda: "1 worker ready" in self.page.text("cluster"), "the worker")
        self.assertIn("Model: cifar10-inception", self.page.text("cluster"))
        self.assertTrue(self.visible("knows"))
        self.assertIn("knows airplanes, automobiles,", self.page.text("knows"))
        self.check_bigger_model()
        self.shoot_and_check("bundled-empty")
        self.page.open(f"{self.system.url}cluster", fresh=False)
        self.page.wait(lambda: "cifar10-inception, 10 classes" in self.page.text("headline"),
                       "the model")
        self.check_bigger_model()
        self.shoot_and_check("bundled-cluster")
        self.assertEqual(self.page.complaints(), [])

    def check_bigger_model(self):
        self.assertTrue(self.visible("bigger-model"))
        self.assertIn("GoogLeNet knows 1,000 classes", self.page.text("bigger-model"))
        command = self.page.script("return document.querySelector('#bigger-model code').textContent")
        self.assertTrue((REPO / command).exists(), command)

    def shoot_and_check(self, name):
        self.shoot(name)
        source = axe.script()
        for size in LOOKS.values():
            self.page.look(*size)
            wide = self.page.script("return document.documentElement.scrollWidth")
            self.assertLessEqual(wide, size[0], f"{name} scrolls sideways")
            if source is not None:
                self.assertEqual(axe.violations(self.page, source), [], name)
        self.page.look()

    def test_nothing_of_that_is_said_of_another_model(self):
        self.system.start_workers(1)
        for path in ("", "cluster"):
            self.page.open(self.system.url + path)
            where = "headline" if path else "cluster"
            self.page.wait(lambda where=where: re.search("Model:? ", self.page.text(where)),
                           "the model")
            self.assertFalse(self.visible("bigger-model"))
            if not path:
                self.assertFalse(self.visible("knows"))

    def test_answers_below_the_threshold_are_shown_as_not_sure(self):
        photos = self.photos()
        threshold = float(re.search(r"^unsure_below: (.+)$", (BUNDLED / "model.yaml").read_text(),
                                    re.M)[1])
        self.system.start_workers(1, with_model=True)
        self.page.open(self.system.url)
        self.page.choose(*photos)
        self.page.wait(lambda: self.page.text("summary") == f"All {len(photos)} recognized",
                       "the answers")
        scores = self.page.script("""
            return fetch('/api/v1/images?limit=100').then((a) => a.json())
              .then((page) => page.images.map(({ name, top }) => [name, top[0].score]));""")
        self.page.look(1280, 4000)  # every card is there
        expected = {name: score < threshold for name, score in scores}
        self.page.wait(lambda: self.page.script(BADGES) == expected, "the badges")
        self.assertEqual(set(expected.values()), {True, False})
        self.page.look()
        self.shoot("bundled-photos")
        self.assertEqual(self.page.complaints(), [])

    def photos(self):
        """Two test images of each class: cats and birds among them, which are often not sure."""
        if not CIFAR.exists():
            raise unittest.SkipTest(f"there is no {CIFAR}")
        files = []
        with tarfile.open(CIFAR, mode="r|xz") as tar:
            for entry in tar:
                name = re.fullmatch(r"(?:\./)?test/([a-z]+)/(000[01]\.jpg)", entry.name)
                if name:
                    files.append(self.folder / f"{name[1]}-{name[2]}")
                    files[-1].write_bytes(tar.extractfile(entry).read())
        return files


if __name__ == "__main__":
    run(__doc__)
