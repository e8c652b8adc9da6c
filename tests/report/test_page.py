"""The page in a browser: it opens, its controls work, and nothing from a run is run."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import yaml
from headless import errors, wait

from contragan.report import report

MakeRun = Callable[..., Path]


SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core."""
    npm, folder = which("npm"), tmp_path_factory.mktemp("axe")
    if npm is None:
        pytest.skip("there is no npm to fetch axe-core with")
    command = f"{npm} pack axe-core@4 --silent && tar xzf axe-core-*.tgz"
    try:
        done = subprocess.run(
            command, check=False, shell=True, cwd=folder, capture_output=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        pytest.skip("axe-core cannot be fetched")
    if done.returncode:
        pytest.skip("axe-core cannot be fetched")
    return (folder / "package" / "axe.min.js").read_text(encoding="utf-8")


def _open(browser: Any, page: Path, width: int = 1280, scheme: str = "light") -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(page.as_uri())


def test_its_controls_work(browser: Any, make_run: MakeRun, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page = tmp_path / "page.html"
    report([make_run("a"), make_run("b", settings=("conditioning.temperature=0.5",))], page)
    _open(browser, page)
    figure = browser.find_element(By.CSS_SELECTOR, ".chart")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", figure)
    wait(browser, "document.querySelector('.chart .scatterlayer .point')")
    point = figure.find_elements(By.CSS_SELECTOR, ".scatterlayer .point")[1]
    ActionChains(browser).move_to_element(point).perform()
    assert "iteration" in wait(browser, "document.querySelector('.hovertext')?.textContent")

    legend = figure.find_element(By.CSS_SELECTOR, ".legend button")
    assert len(figure.find_elements(By.CSS_SELECTOR, ".trace")) == 2
    legend.send_keys(Keys.ENTER)
    assert legend.get_attribute("aria-pressed") == "false"
    wait(browser, "document.querySelectorAll('.chart')[0].querySelectorAll('.trace').length === 1")

    figure.find_element(By.CSS_SELECTOR, ".plot").send_keys(Keys.ARROW_RIGHT)
    # The other run alone is still shown.
    assert browser.find_element(By.ID, "live").get_attribute("textContent") == (
        "Iteration 100: b 10"
    )

    image = browser.find_element(By.CSS_SELECTOR, "figure.grid img")
    last = image.get_attribute("src")
    browser.find_element(By.ID, "step").send_keys(Keys.ARROW_LEFT)
    assert image.get_attribute("src") != last
    assert "iteration 100" in image.get_attribute("alt")
    browser.find_element(By.ID, "play").send_keys(Keys.ENTER)
    wait(browser, "document.querySelector('figure.grid img').alt.includes('iteration 200')")

    matrix = browser.find_element(By.CSS_SELECTOR, ".confusion")
    shown = [row.text.split() for row in matrix.find_elements(By.CSS_SELECTOR, "tbody tr")]
    # Per cent of what was asked for: of 25 images 20 show the next class, and 3 the last one.
    assert shown[:3] == [
        ["zero", "4", "80", "permuted", "4", "12"],
        ["one", "4", "4", "80", "permuted", "12"],
        ["two", "80", "permuted", "4", "4", "12"],
    ]
    matrix.find_element(By.CSS_SELECTOR, "input").send_keys(Keys.ARROW_LEFT)
    assert "iteration 200" in matrix.find_element(By.CSS_SELECTOR, "caption").text
    cell = matrix.find_elements(By.CSS_SELECTOR, "tbody td")[3]
    assert cell.get_attribute("title") == "zero seen as three: 2 of 24"
    table = browser.find_element(By.CSS_SELECTOR, "#classes table.sortable")
    first = "document.querySelector('#classes table.sortable tbody tr th').textContent"
    assert browser.execute_script(f"return {first}") == "zero"
    table.find_elements(By.CSS_SELECTOR, "thead button")[1].send_keys(Keys.ENTER)
    assert browser.execute_script(f"return {first}") == "three"
    assert errors(browser) == []


def test_it_is_painted_within_a_second(browser: Any, make_run: MakeRun, tmp_path: Path) -> None:
    """From disk, with 100 evaluations and 50 grids; the best of three on a busy machine."""
    page = tmp_path / "page.html"
    report([make_run(evaluations=100, grids=50, size=(400, 300))], page)
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    times = []
    for _ in range(3):
        _open(browser, page)
        times.append(wait(browser, paint))
    assert 0 < min(times) < 1000


def test_text_from_a_run_stays_text(browser: Any, make_run: MakeRun, tmp_path: Path) -> None:
    attack = "</script><script>window.hit=1</script><img src=x onerror=window.hit=1>"
    names = [attack, "\"quotes' & <b>bold</b>", "😀 emoji", "עברית"]
    folder = make_run("<img src=x onerror=window.hit=1>", names=names)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "description": attack}))
    page = tmp_path / "page.html"
    report([folder, make_run("b<b>old</b>")], page)
    _open(browser, page)
    assert wait(browser, "document.querySelectorAll('.matrix td').length") >= 16
    heads = "[...document.querySelectorAll('.matrix tbody th')].slice(0, 4)"
    shown = browser.execute_script(f"return {heads}.map(n => n.textContent)")
    assert shown == names
    assert attack in browser.find_element("css selector", "#what").text
    browser.execute_script("document.querySelector('.chart').scrollIntoView()")
    wait(browser, "document.querySelector('.chart .scatterlayer')")
    assert browser.execute_script("return window.hit ?? null") is None
    assert errors(browser) == []


def test_many_runs_are_folded_and_links_unfold_them(
    browser: Any, make_run: MakeRun, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    report([make_run(name) for name in "abcd"], page)
    _open(browser, page)
    unfolded = "[...document.querySelectorAll('details.card')].map(card => card.open)"
    assert browser.execute_script(f"return {unfolded}") == [False] * 4
    browser.find_element("css selector", 'a[href="#run-2"]').click()
    wait(browser, f"{unfolded}[2]")
    assert browser.execute_script(f"return {unfolded}") == [False, False, True, False]
    heads = browser.find_elements("css selector", "#what table.sortable thead button")
    heads[0].click()
    heads[0].click()
    first = "document.querySelector('#what table.sortable tbody th').textContent"
    assert browser.execute_script(f"return {first}") == "d"
    assert errors(browser) == []


@pytest.mark.parametrize(("width", "scheme", "runs"), [(1280, "light", 1), (390, "dark", 4)])
def test_it_is_accessible_and_fits(
    browser: Any, axe: str, make_run: MakeRun, tmp_path: Path, width: int, scheme: str, runs: int
) -> None:
    page = tmp_path / "page.html"
    report([make_run(f"run-{number}") for number in range(runs)], page)
    _open(browser, page, width, scheme)
    browser.execute_script("document.querySelectorAll('.chart').forEach(c => c.scrollIntoView())")
    wait(browser, "document.querySelector('.plot .main-svg')")
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert browser.execute_script(f"return {fits}")
    browser.execute_script(axe)
    told = "r.violations.map(v => [v.id, v.impact, v.nodes[0].html])"
    violations = browser.execute_async_script(f"axe.run().then(r => arguments[0]({told}))")
    assert [found for found in violations if found[1] in SERIOUS] == []
    assert errors(browser) == []
