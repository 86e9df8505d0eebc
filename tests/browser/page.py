"""The website in a headless Chromium, with verbs for what a person does and sees."""
import shutil
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage"]

CARDS = """
return [...document.querySelectorAll('.card')].map((card) => {
  const part = (name) => card.querySelector('.card-' + name);
  return {
    id: card.dataset.id, phase: card.dataset.phase, name: part('name').textContent,
    title: part('title').textContent, full: part('title').title,
    score: part('score').textContent, meta: part('meta').textContent,
    detail: part('detail').hidden ? '' : part('detail').textContent,
    ranks: [...card.querySelectorAll('.rank')].map((rank) => rank.title),
    retry: !part('retry').hidden,
  };
});
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
    def __init__(self, width=1280, height=900):
        self.profile = tempfile.mkdtemp(prefix="imgrec-chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in [*FLAGS, f"--user-data-dir={self.profile}", f"--window-size={width},{height}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.set_capability("unhandledPromptBehavior", "accept")
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

    def open(self, url, fresh=True):
        """Opens the site; `fresh`: as somebody who was never here."""
        if fresh:
            self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.get(url)
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

    def phases(self):
        return [card["phase"] for card in self.cards()]

    def text(self, element_id):
        return self.driver.execute_script(
            "return document.getElementById(arguments[0]).textContent", element_id)

    def script(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def press(self, selector, index=0):
        self.driver.find_elements(By.CSS_SELECTOR, selector)[index].click()

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

    def complaints(self):
        """Console messages that speak of a fault of the page's own, not of the network."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["source"] in ("javascript", "security", "violation") or
                "Content Security Policy" in entry["message"]]

    def screenshot(self, path):
        self.wait(lambda: self.script(
            "return [...document.images].filter((i) => i.loading !== 'lazy' || "
            "i.getBoundingClientRect().top < innerHeight).every((i) => i.complete)"), "pictures")
        time.sleep(0.7)  # the longest transition
        self.driver.save_screenshot(str(path))
