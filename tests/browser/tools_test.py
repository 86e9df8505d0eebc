#!/usr/bin/python3
"""What a person does with photos on the website: ways in, large view, filter, order, export, delete,
and the access token of a server that asks for one."""
import base64
import csv
import io
import json
import os

from harness import MOCK_URL, BrowserTest, run
from selenium.webdriver.common.keys import Keys
from system_under_test import MockSystem, RealSystem

PASTE = """
const transfer = new DataTransfer();
const pixels = atob(arguments[1]);
transfer.items.add(new File([Uint8Array.from(pixels, (c) => c.charCodeAt(0))], arguments[0],
                            { type: 'image/png' }));
document.querySelector(arguments[2]).dispatchEvent(
  new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData: transfer }));
"""


class WaysInTest(BrowserTest):
    def paste(self, name, path, into="body"):
        self.page.script(PASTE, name, base64.b64encode(path.read_bytes()).decode(), into)

    def test_pasting_a_screenshot_and_a_file(self):
        self.system.start_workers()
        self.page.open(self.system.url)
        first, second = self.pictures("first.png", "second.png")
        self.paste("image.png", first)   # what browsers call a screenshot
        self.page.wait_phases("done")
        self.assertRegex(self.page.cards()[0]["name"], r"^pasted-\d{4}-\d\d-\d\d-\d{6}\.png$")
        self.paste("second.png", second, "#query")
        self.page.wait_phases("done", "done")
        self.assertEqual(self.page.cards()[0]["name"], "second.png")

    def holiday(self):
        folder = self.folder / "holiday"
        for name in ("day 10/last.png", "day 2/b.png", "day 2/a.png"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(self.pictures("one.png")[0].read_bytes())
        (folder / "notes.txt").write_text("no picture")
        (folder / ".hidden.png").write_text("no picture")
        return folder

    def check_holiday(self):
        self.page.wait_phases("done", "done", "done")
        self.assertEqual(sorted(c["name"] for c in self.page.cards()), ["a.png", "b.png", "last.png"])
        self.page.wait(lambda: "left out" in self.page.text("announcer"), "the announcement")

    def test_a_whole_folder_without_what_is_no_picture(self):
        self.system.start_workers()
        self.page.open(self.system.url)
        self.page.driver.find_element("id", "folder").send_keys(str(self.holiday()))
        self.check_holiday()

    def test_a_folder_dropped_on_the_page(self):
        self.system.start_workers()
        self.page.open(self.system.url)
        data = {"items": [], "files": [str(self.holiday())], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.page.driver.execute_cdp_cmd("Input.dispatchDragEvent", {
                "type": kind, "x": 400, "y": 400, "data": data})
        self.check_holiday()

    def test_the_camera(self):
        self.system.start_workers()
        self.page.open(self.system.url)  # on loopback, which is a secure context
        self.page.press("#camera-open")
        self.page.wait(lambda: not self.page.script(
            "return document.querySelector('.camera-shutter').disabled"), "the picture of the camera")
        self.page.press(".camera-shutter")
        self.page.wait(lambda: "1 photo taken" in self.page.script(
            "return document.querySelector('.camera-note').textContent"), "the photo")
        self.shoot("camera")
        self.page.press(".camera-close")
        self.page.wait(lambda: self.page.script(
            "return document.querySelector('video').srcObject === null"), "the camera to be off")
        self.page.wait_phases("done")
        self.assertRegex(self.page.cards()[0]["name"], r"^camera-[\d-]+\.jpg$")
        self.assertEqual(self.page.focused(), "Take a photo with the camera")

    def test_where_no_live_camera_may_be_used_a_phone_offers_its_own(self):
        self.system.start_workers()
        script = self.page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {
            "source": "Object.defineProperty(navigator, 'mediaDevices', {value: undefined});"})
        try:
            self.page.open(self.system.url)
            self.assertEqual(self.cameras(), [False, False], "nothing on a desktop")
            self.touch(True)
            self.page.open(self.system.url)
            self.assertEqual(self.cameras(), [False, True])
            self.page.driver.find_element("id", "capture").send_keys(str(self.pictures("a.png")[0]))
            self.page.wait_phases("done")
        finally:
            self.touch(False)
            self.page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)

    def touch(self, on):
        self.page.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": on})

    def cameras(self):
        """Whether the live camera and the phone's own are offered."""
        return [self.page.driver.find_element("css selector", selector).is_displayed()
                for selector in ("#camera-open", "label[for=capture]")]


class LargeViewTest(BrowserTest):
    def large(self, name):
        return self.page.script(
            "return document.querySelector(`.large-${arguments[0]}`).textContent", name)

    def test_one_photo_large_and_its_neighbours(self):
        self.start_with_photos("a.png", "b.png", "c.png")
        self.page.press(".card-open", 1)
        self.page.wait(lambda: self.large("place") == "2 of 3", "the large view")
        card = self.page.cards()[1]
        self.assertEqual(self.large("title"), card["title"])
        for fact in ("b.png", "worker-", "Attempts1", "500 × 375" if MOCK_URL else "160 × 120"):
            self.assertIn(fact, self.large("facts"))
        split = self.page.script("return document.querySelector('.split-bar').ariaLabel")
        self.assertRegex(split, r"^[\d.]+ m?s in all: Upload .*, Queue .*, Wire .*, Decode .*, "
                                r"Inference .*, Push .*")
        widths = self.page.script("return [...document.querySelectorAll('.split-part')]"
                                  ".map((part) => part.getBoundingClientRect().width)")
        self.assertGreater(min(widths), 0)
        self.page.wait(lambda: self.page.script(
            "return document.querySelector('.large-image').naturalWidth") == 160, "the photo")
        self.page.keys(Keys.ARROW_RIGHT)
        self.assertEqual(self.large("place"), "3 of 3")
        self.assertTrue(self.large("spoken").startswith("3 of 3, c.png: "))
        self.page.keys(Keys.ARROW_RIGHT)  # there is no further one
        self.assertEqual(self.large("place"), "3 of 3")
        self.page.keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
        self.assertIn("a.png", self.large("facts"))
        self.page.keys(Keys.ESCAPE)
        self.assertFalse(self.page.script("return document.getElementById('large').open"))
        self.assertTrue(self.page.focused().startswith("a.png: "), "the photo shown last")

    def test_on_a_phone_the_way_out_stays_in_sight(self):
        self.start_with_photos("a.png")
        self.page.look(390, 600)
        self.addCleanup(self.page.look)
        self.page.press(".card-open", 0)
        self.page.wait(lambda: self.large("place") == "1 of 1", "the large view")
        self.assertGreater(self.page.script(
            "const d = document.getElementById('large'); d.scrollTo(0, 9999); return d.scrollTop"), 100)
        self.assertTrue(self.page.script(
            "const b = document.querySelector('.large-close').getBoundingClientRect();"
            "return document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2)"
            "?.closest('.large-close') !== null"))
        self.shoot("large-scrolled")

    def test_deleting_in_the_large_view_goes_on_with_the_next(self):
        self.start_with_photos("a.png", "b.png")
        self.page.press(".card-open", 0)
        self.page.wait(lambda: self.large("place") == "1 of 2", "the large view")
        self.page.press(".large-delete")
        self.page.wait(lambda: self.large("place") == "1 of 1", "the neighbour")
        self.assertIn("b.png", self.large("facts"))
        self.page.keys(Keys.DELETE)
        self.page.wait(lambda: not self.page.script(
            "return document.getElementById('large').open"), "the end")
        self.assertEqual(self.page.cards(), [])


class ToolsTest(BrowserTest):
    def names(self):
        return [c["name"] for c in self.page.cards()]

    def wait_names(self, *names):
        self.page.wait(lambda: self.names() == list(names), f"the photos {names}")

    def with_mixed_photos(self):
        bad = self.folder / "=notes.png"
        bad.write_text("no picture")
        self.start_with_photos("photo 10.png", "photo 9.png", "alps.png")
        self.page.choose(bad)
        self.page.wait_phases("rejected", "done", "done", "done")

    def test_filter_and_order(self):
        self.with_mixed_photos()
        self.page.set_value("query", "photo")
        self.wait_names("photo 10.png", "photo 9.png")
        self.assertEqual(self.page.text("shown"), "2 of 4 photos")
        self.page.set_value("sort", "name")
        self.wait_names("photo 9.png", "photo 10.png")
        self.page.set_value("query", "nothing is like this")
        self.wait_names()
        self.assertTrue(self.page.driver.find_element("id", "nothing").is_displayed())
        self.page.set_value("query", "")
        self.page.set_value("show", "problem")
        self.wait_names("=notes.png")
        self.page.set_value("show", "done")
        self.wait_names("alps.png", "photo 9.png", "photo 10.png")
        label = self.page.card("alps.png")["title"]
        self.page.set_value("query", label)
        self.page.wait(lambda: "alps.png" in self.names(), "the photo by its label")

    def test_export_what_is_shown(self):
        self.with_mixed_photos()
        self.page.press("#export-csv")
        rows = list(csv.DictReader(io.StringIO(self.page.downloaded("csv").decode(), newline="")))
        self.assertEqual([row["name"] for row in rows],
                         ["'=notes.png", "photo 10.png", "photo 9.png", "alps.png"])
        self.assertEqual([row["state"] for row in rows], ["rejected", "done", "done", "done"])
        self.assertIn("picture", rows[0]["error"])
        listed = {name: image_id for image_id, name in self.server_ids()}
        for row in rows[1:]:
            self.assertEqual(row["id"], listed[row["name"]])
            self.assertTrue(0 < float(row["score"]) <= 1)
            self.assertTrue(row["label"] and row["label_5"] and row["worker"])
        self.page.set_value("query", "alps")
        self.wait_names("alps.png")
        self.page.press("#export-json")
        images = json.loads(self.page.downloaded("json"))["images"]
        self.assertEqual([image["name"] for image in images], ["alps.png"])
        self.assertEqual(len(images[0]["top"]), 5)
        self.assertGreater(images[0]["timing_ms"]["total"], 0)

    def test_deleting_what_is_selected_and_then_all(self):
        self.start_with_photos("a.png", "b.png", "c.png", "d.png")
        self.page.press(".card-tick", 1)
        self.page.press(".card-tick", 2)
        self.page.wait(lambda: self.page.text("delete") == "Delete 2 selected", "the selection")
        self.page.press("#delete")
        self.page.press_text("Keep")
        self.assertEqual(len(self.names()), 4)
        self.page.press("#delete")
        self.page.press_text("Delete")
        self.wait_names("a.png", "d.png")
        self.page.press("#delete")
        self.page.press_text("Delete")
        self.wait_names()
        self.assertEqual(self.server_ids(), [])
        self.page.reload()
        self.page.wait(lambda: "ready" in self.page.text("cluster"), "the page")
        self.assertEqual(self.names(), [])

    def test_select_all_takes_what_is_shown(self):
        self.start_with_photos("a1.png", "a2.png", "b.png")
        self.page.set_value("query", "a2")
        self.wait_names("a2.png")
        self.page.press("#select-all")
        self.page.wait(lambda: self.page.text("delete") == "Delete 1 selected", "the selection")
        self.page.set_value("query", "no such photo")
        self.wait_names()
        self.page.press("#select-all")  # says "Select none" now
        self.page.wait(lambda: self.page.text("delete") == "Delete 0 shown", "no selection")
        self.assertTrue(self.page.script("return document.getElementById('delete').disabled"))

    def test_with_a_filter_deleting_takes_what_is_shown(self):
        self.start_with_photos("zz1.png", "zz2.png", "b.png")
        self.page.set_value("query", "zz")
        self.page.wait(lambda: self.page.text("delete") == "Delete 2 shown", "what is shown")
        self.page.press("#delete")
        self.page.wait(lambda: self.page.script(
            "return document.getElementById('confirm-title')?.textContent") == "Delete 2 photos?",
            "the question")
        self.page.press_text("Delete")
        self.wait_names()
        self.page.set_value("query", "")
        self.wait_names("b.png")
        self.assertEqual(self.page.text("delete"), "Delete all")
        self.assertEqual([name for _, name in self.server_ids()], ["b.png"])

    def test_try_all_again(self):
        self.system.stop()
        self.system = MockSystem()  # a photo whose name has "fail" in it fails
        self.system.start_workers()
        self.page.open(self.system.url)
        self.page.choose(*self.pictures("fail 1.png", "good.png", "fail 2.png"))
        self.wait_settled()
        self.assertIn("Three workers gave up", self.page.card("fail 1.png")["detail"])
        self.assertIn("2 to try again", self.page.text("transfer"))
        before = {name: image_id for image_id, name in self.server_ids()}
        self.page.reload()  # the page has no files any more: the server's are sent again
        self.wait_settled()
        self.page.press(".transfer-retry")
        self.page.wait(lambda: not set(before.values()) - {before["good.png"]} &
                       {image_id for image_id, _ in self.server_ids()}, "new photos in their place")
        self.wait_settled()
        self.assertEqual(len(self.server_ids()), 3)

    def wait_settled(self):
        """In the order in which the server took them, which may be any."""
        self.page.wait(lambda: sorted(self.page.phases()) == ["done", "failed", "failed"], "all")


class TokenTest(BrowserTest):
    """A server that asks for an access token."""
    TOKEN = "open-sesame-and-no-other-word-than-that"

    def new_system(self):
        if MOCK_URL:
            return self.mock_that_asks()
        file = self.folder / "token"
        file.write_text(self.TOKEN)
        file.chmod(0o600)
        return RealSystem(os.environ["IMGREC_BIN_DIR"], manager_flags=["--http-token-file", file])

    def mock_that_asks(self):
        system = MockSystem()
        system.ask_for_token(self.TOKEN)
        return system

    def wait_dialog(self, there=True):
        self.page.wait(lambda: self.page.script(
            "return Boolean(document.querySelector('#token-input')?.closest('dialog').open)")
            == there, f"the dialog to be {'there' if there else 'gone'}")

    def test_the_token_is_asked_for_and_then_everything_works(self):
        self.system.start_workers()
        self.page.open(self.system.url, connected=False)
        self.wait_dialog()
        self.shoot("token")
        self.page.keys("a wrong word", Keys.ENTER)
        self.page.wait(lambda: "not the token" in self.page.text("token-problem"), "the refusal")
        self.page.script("document.getElementById('token-input').value = ''")
        self.page.keys(self.TOKEN, Keys.ENTER)
        self.wait_dialog(False)
        self.page.wait_connected()
        self.page.choose(*self.pictures("a.png"))
        self.page.wait_phases("done")
        self.page.reload()  # the cookie is still there
        self.page.wait_phases("done")
        self.assertEqual(self.page.complaints(), [])

    def test_a_token_asked_for_in_the_middle_loses_nothing(self):
        self.system.stop()
        self.system = MockSystem()
        self.system.start_workers()
        self.page.open(self.system.url)
        self.page.choose(*self.pictures("before.png"))
        self.page.wait_phases("done")
        self.system.ask_for_token(self.TOKEN)
        self.page.choose(*self.pictures("during 1.png", "during 2.png"))
        self.wait_dialog()
        self.page.keys(Keys.ESCAPE)
        self.wait_dialog(False)
        self.page.wait(lambda: "Access token needed" in self.page.text("banners"), "the message")
        self.shoot("token-needed")
        self.page.press(".banner button")
        self.wait_dialog()
        self.page.keys(self.TOKEN, Keys.ENTER)
        self.page.wait_phases("done", "done", "done")
        self.page.wait(lambda: self.page.text("banners") == "", "the message to go")
        self.assertEqual(len(self.server_ids()), 3)


if __name__ == "__main__":
    run(__doc__)
