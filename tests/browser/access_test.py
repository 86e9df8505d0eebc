#!/usr/bin/python3
"""The website for everybody: by keyboard alone, for screen readers, in light and dark, on a phone."""

import axe
from harness import ARTIFACTS, LOOKS, MOCK_URL, BrowserTest, run
from selenium.webdriver.common.keys import Keys
from system_under_test import MockSystem

AXE = axe.script()


class KeyboardTest(BrowserTest):
    def test_from_start_to_result_and_beyond_without_a_mouse(self):
        self.system.start_workers()
        self.page.open(self.system.url)
        self.page.keys(Keys.TAB)
        self.assertEqual(self.page.focused(), "Skip to the photos")
        self.page.tab_to("Choose photos")
        for count, picture in enumerate(self.pictures("d.png", "c.png", "b.png", "a.png"), 1):
            self.page.choose_in_focus(picture)  # one at a time: the last sent is shown first
            self.page.wait_phases(*["done"] * count)
        self.page.tab_to("d.png: ")  # the first that was there
        self.page.keys(Keys.HOME)
        self.assertTrue(self.page.focused().startswith("a.png: "))
        self.page.keys(Keys.ARROW_RIGHT)
        self.assertTrue(self.page.focused().startswith("b.png: "))

        self.page.keys(Keys.ENTER)  # the large view
        self.page.wait(lambda: self.page.focused() == "Close", "the large view")
        self.page.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        self.page.keys(Keys.ESCAPE)
        self.page.wait(lambda: self.page.focused().startswith("d.png: "), "the focus to be back")

        self.page.keys(Keys.ARROW_LEFT)  # delete one
        self.page.keys(Keys.DELETE)
        self.page.wait_phases(*["done"] * 3)
        self.page.wait(lambda: self.page.focused().startswith("d.png: "), "the next photo")
        self.page.wait(lambda: "c.png deleted" in self.page.text("announcer"), "the announcement")

        self.page.keys(Keys.HOME)  # select two, by the box of each
        self.page.tab_to("Select a.png", 1)
        self.page.keys(Keys.SPACE)
        self.page.keys(Keys.ARROW_RIGHT)
        self.page.tab_to("Select b.png", 1)
        self.page.keys(Keys.SPACE)
        self.page.wait(lambda: self.page.text("delete") == "Delete 2 selected", "the selection")

        self.page.script("document.activeElement.blur()")  # filter
        self.page.tab_to("Filter by label or name")
        self.page.keys("d.png")
        self.page.wait(lambda: len(self.page.cards()) == 1, "the filter")
        self.page.keys(Keys.TAB)
        self.assertEqual(self.page.focused(), "Show")

        self.page.tab_to("Delete 2 selected")
        self.page.keys(Keys.ENTER)
        self.page.wait(lambda: self.page.focused() == "Keep", "the question")
        self.page.keys(Keys.TAB)
        self.page.keys(Keys.ENTER)
        self.page.wait(lambda: [name for _, name in self.server_ids()] == ["d.png"], "the deletion")
        self.assertEqual(self.page.complaints(), [])

    def test_select_all_and_delete_by_keys(self):
        self.start_with_photos("a.png", "b.png", "c.png")
        self.page.script("document.querySelector('.card-open').focus()")
        self.page.chord(Keys.CONTROL, "a")
        self.page.wait(lambda: self.page.text("delete") == "Delete 3 selected", "the selection")
        self.page.keys(Keys.DELETE)
        self.page.wait(lambda: self.page.focused() == "Keep", "the question")
        self.page.keys(Keys.ESCAPE)
        self.page.wait(lambda: self.page.focused().startswith("a.png: "), "the focus to be back")
        self.assertEqual(len(self.page.cards()), 3)

    def test_the_focus_is_seen_everywhere(self):
        self.start_with_photos("a.png")
        self.page.script("document.activeElement.blur()")
        seen = set()
        for _ in range(40):
            self.page.keys(Keys.TAB)
            name, visible = self.page.script("""
                const e = document.activeElement;
                if (e === document.body) return ['', true];
                const look = getComputedStyle(e.matches('.visually-hidden') ? e.labels[0] : e);
                return [e.id || e.className || e.textContent,
                        look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 2];""")
            self.assertTrue(visible, f"the focus on {name}")
            seen.add(name)
        self.assertGreater(len(seen), 12)

    def test_no_motion_where_none_is_wanted(self):
        self.start_with_photos("a.png")
        self.page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
        slowest = self.page.script("""
            return Math.max(...[...document.querySelectorAll('*')].flatMap((e) => {
              const { animationDuration, transitionDuration } = getComputedStyle(e);
              return [animationDuration, transitionDuration].map((text) => parseFloat(text));
            }));""")
        self.assertLessEqual(slowest, 0.001)


class AxeTest(BrowserTest):
    """axe-core finds nothing, and nothing is wider than the page, in every main state."""

    def check(self, state, shoot=True):
        for look, size in LOOKS.items():
            self.page.look(*size)
            self.page.settle()
            if shoot:
                self.page.screenshot(ARTIFACTS / f"state-{state}-{look}.png")
            if AXE:
                found = axe.violations(self.page, AXE)
                self.assertEqual(found, [], f"{state}, {look}")
            wider = self.page.script("""
                const width = document.documentElement.clientWidth;
                if (document.documentElement.scrollWidth <= width) return [];
                return [...document.querySelectorAll('body *')]
                  .filter((e) => e.getBoundingClientRect().right > width).map((e) => e.outerHTML);""")
            self.assertEqual(wider, [], f"{state}, {look}: it can be scrolled sideways")
        self.page.look()

    def setUp(self):
        super().setUp()
        if not AXE:
            print("axe-core is missing (ci/test-tools.sh brings it): only widths are checked",
                  flush=True)

    def new_system(self):
        return MockSystem(MOCK_URL)  # it makes every state, on order

    def test_every_state(self):
        self.page.open(self.system.url)
        self.check("empty")
        unsure, long_name = self.pictures(
            "unsure.png", "a very long name of a photo that somebody gave without a space_" * 3 + ".png")
        failing, good = self.pictures("fail.png", "n01440764_tench.png")
        bad = self.folder / "notes.png"
        bad.write_text("no picture")
        for count, picture in enumerate((good, failing, long_name, unsure), 1):
            self.page.choose(picture)  # one at a time: the last sent is shown first
            self.page.wait_phases(*["queued"] * count)
        self.page.choose(bad)
        self.page.wait_phases("rejected", *["queued"] * 4)
        self.check("waiting-for-workers")
        self.system.start_workers()
        self.page.wait_phases("rejected", "done", "done", "failed", "done")
        self.page.press(".card-tick", 2)
        self.check("results")
        self.page.press(".card-open", 1)
        self.page.wait(lambda: self.page.focused() == "Close", "the large view")
        self.check("large-unsure")
        self.page.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        self.check("large-failed")
        self.page.keys(Keys.ESCAPE)
        self.page.press("#delete")
        self.page.wait(lambda: self.page.focused() == "Keep", "the question")
        self.check("confirm")
        self.page.keys(Keys.ESCAPE)
        self.page.press("#camera-open")
        self.page.wait(lambda: self.page.focused() == "Take photo", "the camera")
        self.check("camera", shoot=False)  # tools_test.py keeps it
        self.page.keys(Keys.ESCAPE)
        self.page.set_value("query", "nothing is like this")
        self.page.wait(lambda: self.page.cards() == [], "the filter")
        self.check("nothing-shown")

    def test_the_token_dialog(self):
        self.system.ask_for_token("secret")
        self.page.open(self.system.url, connected=False)
        self.page.wait(lambda: self.page.focused() == "Token", "the dialog")
        self.page.keys("wrong", Keys.ENTER)
        self.page.wait(lambda: self.page.text("token-problem") != "", "the refusal")
        self.check("token", shoot=False)
        self.system.ask_for_token()

    def test_the_connection_lost(self):
        self.page.open(self.system.url)
        self.page.choose(*self.pictures("a.png"))
        self.page.wait_phases("queued")

        def meanwhile():
            self.page.wait(lambda: "Connection lost" in self.page.text("banners"), "the message")
            self.check("connection-lost")
        self.system.outage(meanwhile, seconds=12)


if __name__ == "__main__":
    run(__doc__)
