"""The website in a headless Chromium, with verbs for what a person does and sees."""
import pathlib
import shutil
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage",
         # A camera that shows a moving pattern, and nobody who has to allow it.
         "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]

# The cards that exist, in order: a grid of many photos has only those in sight.
CARDS = """
return [...document.querySelectorAll('.card')].map((card) => {
  const part = (name) => card.querySelector('.card-' + name);
  return {
    id: card.dataset.id, phase: card.dataset.phase, name: part('name').textContent,
    title: part('title').textContent, full: part('title').title,
    score: part('score').textContent, meta: part('meta').textContent,
    detail: part('detail').hidden ? '' : part('detail').textContent,
    ranks: [...card.querySelectorAll('.rank')].map((rank) => rank.title),
    retry: !part('retry').hidden, place: Number(card.ariaPosInSet), of: Number(card.ariaSetSize),
  };
});
"""
# All of them, by scrolling through the page: {id, name, phase} in order.
ALL_CARDS = """
return (async () => {
  const found = new Map();
  const frame = () => new Promise((next) => { requestAnimationFrame(() => requestAnimationFrame(next)); });
  const look = () => {
    for (const card of document.querySelectorAll('.card')) {
      found.set(Number(card.ariaPosInSet), {
        id: card.dataset.id, phase: card.dataset.phase,
        name: card.querySelector('.card-name').textContent,
      });
    }
  };
  const before = scrollY;
  for (let y = 0; ; y += innerHeight) {
    scrollTo(0, y);
    await frame();
    look();
    if (y >= document.documentElement.scrollHeight - innerHeight) break;
  }
  scrollTo(0, before);
  await frame();
  return [...found].sort((a, b) => a[0] - b[0]).map(([, card]) => card);
})();
"""
DROP = """
const transfer = new DataTransfer();
const input = document.getElementById('test-drop');
for (const file of input.files) transfer.items.add(file);
input.remove();
const send = (type) => document.querySelector('main').dispatchEvent(
  new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
send('dragenter');
const veiled = !document.getElementById('veil').hidden;
send('dragover');
send('drop');
return veiled && document.getElementById('veil').hidden;
"""


class Page:
    def __init__(self, width=1280, height=900, net_log=None):
        """net_log: a file for Chromium's own record of every connection and its errors."""
        self.profile = tempfile.mkdtemp(prefix="imgrec-chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        net_log_flags = [f"--log-net-log={net_log}"] if net_log else []
        for flag in [*FLAGS, *net_log_flags, f"--user-data-dir={self.profile}", f"--window-size={width},{height}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.set_capability("unhandledPromptBehavior", "accept")
        self.downloads = pathlib.Path(self.profile) / "downloads"
        options.add_experimental_option("prefs", {
            "download.default_directory": str(self.downloads), "download.prompt_for_download": False})
        self.driver = webdriver.Chrome(service=Service(CHROMEDRIVER), options=options)
        self.look(width, height)

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def look(self, width=1280, height=900, dark=False):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, url, fresh=True, connected=True):
        """Opens the site; `fresh`: as somebody who was never here."""
        if fresh:
            self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.get(url)
        if connected:
            self.wait_connected()

    def wait_connected(self):
        self.wait(lambda: self.driver.execute_script(
            "return document.getElementById('cluster').dataset.connection") == "open",
            "the page to be connected")

    def reload(self):
        self.driver.refresh()

    def choose(self, *paths):
        self.driver.find_element(By.ID, "files").send_keys("\n".join(map(str, paths)))

    def drop(self, *paths):
        self.driver.execute_script(
            "const i = document.createElement('input'); i.type = 'file'; i.multiple = true;"
            "i.id = 'test-drop'; document.body.append(i);")
        self.driver.find_element(By.ID, "test-drop").send_keys("\n".join(map(str, paths)))
        return self.driver.execute_script(DROP)

    def cards(self):
        return self.driver.execute_script(CARDS)

    def card(self, name):
        return next(card for card in self.cards() if card["name"] == name)

    def all_cards(self):
        return self.driver.execute_script(ALL_CARDS)

    def phases(self):
        return [card["phase"] for card in self.cards()]

    def text(self, element_id):
        return self.driver.execute_script(
            "return document.getElementById(arguments[0]).textContent", element_id)

    def script(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def keys(self, *keys):
        """Pressed one after the other, each where the focus is then."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def chord(self, modifier, key):
        ActionChains(self.driver).key_down(modifier).send_keys(key).key_up(modifier).perform()

    def choose_in_focus(self, *paths):
        """What the system's own dialog does for the file input that has the focus."""
        self.driver.switch_to.active_element.send_keys("\n".join(map(str, paths)))

    def focused(self):
        """What has the focus, as a screen reader names it."""
        return self.driver.execute_script("""
            const e = document.activeElement;
            if (e === document.body) return '';
            return e.ariaLabel || e.labels?.[0]?.textContent || e.textContent.trim() || e.id;""")

    def tab_to(self, name, most=40):
        """Tab until the element of this name has the focus."""
        for _ in range(most):
            self.keys(Keys.TAB)
            if name in self.focused():
                return
        raise AssertionError(f"{most} times Tab did not reach {name}, but {self.focused()}")

    def set_value(self, element_id, value):
        """A choice or a text of a form, as a person makes it."""
        self.driver.execute_script("""
            const e = document.getElementById(arguments[0]);
            e.value = arguments[1];
            e.dispatchEvent(new Event(e.tagName === 'SELECT' ? 'change' : 'input'));""",
            element_id, value)

    def downloaded(self, ending):
        """Waits for the newest download with this ending; its bytes."""
        def there():
            files = [f for f in self.downloads.glob(f"*.{ending}") if f.stat().st_size > 0]
            return files[0].read_bytes() if files and not list(
                self.downloads.glob("*.crdownload")) else None
        data = self.wait(there, f"a download *.{ending}")
        for file in self.downloads.glob(f"*.{ending}"):
            file.unlink()
        return data

    def press(self, selector, index=0):
        self.driver.find_elements(By.CSS_SELECTOR, selector)[index].click()

    def press_text(self, text):
        """The button with exactly this text, once it is there."""
        find = ("return [...document.querySelectorAll('dialog[open] button')]"
                ".find((b) => b.textContent === arguments[0])")
        self.wait(lambda: self.script(find, text), f"the button {text}").click()

    def wait(self, condition, what, timeout=90):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"waited {timeout} s for {what}; the page shows {self.cards()}, "
                             f"banner '{self.text('banners')}', log {self.complaints()}")

    def wait_phases(self, *expected):
        self.wait(lambda: self.phases() == list(expected), f"the phases {expected}")

    def leave(self):
        """Nothing of one test, its console's messages either, is there for the next one."""
        self.driver.get("about:blank")
        self.look()
        self.driver.get_log("browser")

    def complaints(self):
        """Console messages that speak of a fault of the page's own, not of the network."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["source"] in ("javascript", "security", "violation") or
                "Content Security Policy" in entry["message"]]

    def settle(self):
        """Until nothing moves any more, but for what turns for ever."""
        self.wait(lambda: self.script("""
            return document.getAnimations().every((a) => a.playState !== 'running' ||
              a.effect.getComputedTiming().endTime === Infinity);"""), "the animations")

    def screenshot(self, path):
        self.wait(lambda: self.script(
            "return [...document.images].every((image) => image.complete)"), "pictures")
        self.settle()
        self.driver.save_screenshot(str(path))
