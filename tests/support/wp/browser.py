"""
browser — headless Chromium (Debian's chromium, chromium-driver, python3-selenium)

Browser(width, dark) is a context manager that gives the driver; it runs in the network namespace of
whoever opens it, and must be spoken to from there.
"""
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
         "--disable-background-networking", "--disable-component-update")
PHONE = 600             # narrower than this is one: a window cannot be made so narrow


class Browser:
    def __init__(self, width=1400, dark=False):
        self.width, self.dark = width, dark

    def __enter__(self):
        options = webdriver.ChromeOptions()
        for flag in (*FLAGS, f"--window-size={self.width},1500"):
            options.add_argument(flag)
        options.binary_location = "/usr/bin/chromium"
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        if self.dark:
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
                "features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        if self.width < PHONE:
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": self.width, "height": 900, "deviceScaleFactor": 2, "mobile": True})
        return self.driver

    def __exit__(self, *_):
        self.driver.quit()


# --- Waypost's page

def wait(driver, condition, why, seconds=60):     # only ends what hangs
    return WebDriverWait(driver, seconds, 0.1).until(lambda d: condition(), why)


def visit(driver, url):
    """Opens the page and waits until it lives."""
    driver.get(url)
    wait(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#heat td button"), "the heat map")
    wait(driver, lambda: "live" in driver.find_element(By.ID, "link").text, "the live line")


def cell(driver, egress, carrier, region):
    """The button of a path in the heat map."""
    key = "\\u0000".join((egress, carrier, region))
    return driver.execute_script(
        f"return [...document.querySelectorAll('#heat button')]"
        f".find(b => b.dataset.key === '{key}')")


def assert_quiet(driver):
    """No errors and no warnings: a Content-Security-Policy that bites shows here, too."""
    assert [e for e in driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")] == []
