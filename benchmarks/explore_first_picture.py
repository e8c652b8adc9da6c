"""How long `contragan explore` takes from a page that is loading, or a press, to a picture.

python benchmarks/explore_first_picture.py RUN [--port 7960]

The start of the server is printed apart. The page is opened in a headless Chromium (selenium and
chromedriver must be there). The seconds of the processor are the server's alone; on a machine that
does other work those of the clock say little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

from contragan.explore.serve import serving

SHOWN = "const i = document.querySelector('#picture img'); return i?.naturalWidth ? i.src : null"
VIEWS = ("Interpolate", "Samples")


def measured(act: Callable[[], object], browser: Any, before: str | None = None) -> str:
    """What it took from ``act`` until another picture than ``before`` is shown, in words."""
    clock, processor = time.perf_counter(), time.process_time()
    act()
    while browser.execute_script(SHOWN) in {None, before}:
        time.sleep(0.02)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    return f"{clock:.2f} s ({processor:.2f} s of the server's CPU)"


def main() -> None:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--port", type=int, default=7960)
    arguments = parser.parse_args()
    options = webdriver.ChromeOptions()
    options.binary_location = which("chromium") or which("google-chrome") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(which("chromedriver")))
    start = time.perf_counter()
    try:
        with serving(arguments.run, device="cpu", port=arguments.port) as address:
            print(f"start of the server: {time.perf_counter() - start:.1f} s")
            for what in ("page", "page again"):
                print(f"{what} to picture: {measured(lambda: browser.get(address), browser)}")
                browser.execute_script("window.stop()")
            for view in VIEWS:
                label = f"//label[span[normalize-space()='{view}']]"
                button = browser.find_element("xpath", label)
                shown = browser.execute_script(SHOWN)
                print(f"{view}, press to picture: {measured(button.click, browser, shown)}")
            browser.get("about:blank")
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
