#!/usr/bin/python3
"""The API's page in a real browser: it shows every call of the server's own description, for eyes,
keyboard and screen reader. --help lists the environment."""
import json

import requests

import axe
from harness import BrowserTest, run

OPERATIONS = """
return [...document.querySelectorAll('.operation')].map((article) => ({
  id: article.id, method: article.querySelector('.method').textContent,
  path: article.querySelector('.path').textContent,
  statuses: [...article.querySelectorAll('.status')].map((s) => s.textContent),
}));
"""


class ReferenceTest(BrowserTest):
    def open(self):
        self.page.driver.get(self.system.url + "api")
        return self.page.wait(lambda: self.page.script(OPERATIONS), "the calls")

    def test_every_call_of_the_document_is_shown_with_all_of_its_answers(self):
        document = requests.get(self.system.url + "api/v1/openapi.json", timeout=60).json()
        shown = {(o["method"], o["path"]): o["statuses"] for o in self.open()}
        expected = {(method.upper(), path): sorted(operation["responses"])
                    for path, item in document["paths"].items()
                    for method, operation in item.items() if method != "parameters"}
        self.assertEqual({call: sorted(statuses) for call, statuses in shown.items()}, expected)
        self.assertEqual(self.page.complaints(), [])

    def test_the_search_finds_calls_and_links_lead_to_them(self):
        everything = len(self.open())
        search = self.page.driver.find_element("id", "search")
        search.send_keys("infer post")
        found = self.page.script(OPERATIONS)
        self.assertTrue(0 < len(found) < everything)
        self.assertTrue(all(o["path"].endswith("/infer") for o in found))
        self.assertEqual(self.page.text("found"), f"{len(found)} calls")
        self.page.press(".contents a")
        self.assertEqual(self.page.script("return location.hash"), f"#{found[0]['id']}")

    def test_nobody_is_kept_out(self):
        source = axe.script()
        if source is None:
            self.skipTest("no axe-core (ci/test-tools.sh)")
        self.open()
        self.page.script("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        self.shoot("reference")
        for dark in (False, True):
            self.page.look(dark=dark)
            self.assertEqual(axe.violations(self.page, source), [])
        self.page.look(390, 844)
        width = self.page.script("return document.documentElement.scrollWidth")
        self.assertLessEqual(width, 390, "the page itself does not scroll sideways")


if __name__ == "__main__":
    run(__doc__)
