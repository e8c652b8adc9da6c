"""A Chromium without a window, where there is one: for tests of pages."""

import json
import time
from collections.abc import Iterator
from shutil import which
from typing import Any

import pytest


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = which("chromium") or which("chromium-browser") or which("google-chrome")
    driver = which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("there is no Chromium with its chromedriver on the PATH")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    yield found
    found.quit()


def wait(browser: Any, script: str, seconds: float = 10) -> Any:
    """What a script returns as soon as it is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := browser.execute_script(f"return {script}"):
            return found
        time.sleep(0.05)
    raise AssertionError(f"never true: {script}")


def errors(browser: Any) -> list[Any]:
    """What the console has said since the last call."""
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def requested(browser: Any) -> set[str]:
    """The addresses that pages have asked for since the last call."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    sent = (m["params"] for m in messages if m["method"] == "Network.requestWillBeSent")
    return {params["request"]["url"] for params in sent}
