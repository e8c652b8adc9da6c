"""The page in a browser: its controls work, it asks nobody but itself, and text stays text."""

from __future__ import annotations

import gc
import shlex
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from headless import errors, requested, wait
from PIL import Image
from typer.testing import CliRunner

from contragan.cli import application
from contragan.explore import HOST, explorer
from contragan.explore.serve import free_port, serving

from .conftest import NAMES

CopyRun = Callable[..., Path]

PICTURE = "document.querySelector('#picture img')"
COMMAND = "document.querySelector('#command textarea').value"


@pytest.fixture
def abroad(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every other machine that this process looks up or connects to."""
    found: list[Any] = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo
    here = {HOST, "localhost", "::1", None}

    def connecting(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in here:
            found.append(address)
        connect(self, address)

    def looking_up(host: Any, *rest: Any, **options: Any) -> Any:
        if host not in here:
            found.append(host)
        return look_up(host, *rest, **options)

    monkeypatch.setattr(socket.socket, "connect", connecting)
    monkeypatch.setattr(socket, "getaddrinfo", looking_up)
    return found


def _choose(browser: Any, text: str) -> None:
    """Press the radio or check box called so, and wait for another picture."""
    before = browser.execute_script(f"return {PICTURE}.src")
    browser.find_element("xpath", f"//label[span[normalize-space()='{text}']]").click()
    wait(browser, f"{PICTURE}.src !== '{before}'", 30)


@pytest.mark.filterwarnings("ignore")  # the server's own, which runs in this process
def test_the_page(
    browser: Any, copy_run: CopyRun, abroad: list[Any], tmp_path: Path, monkeypatch: Any
) -> None:
    pytest.importorskip("gradio", reason="gradio is not installed")
    # Loaded by a thread of the server, pytest's rewriting of them would meet that of the main one.
    anyio = pytest.importorskip("anyio")
    assert all(getattr(anyio, name) for name in dir(anyio))
    folder = copy_run(NAMES, "run <b>&")
    monkeypatch.setattr(explorer, "FIRST_SECONDS", 1e9)  # however slow the machine is
    requested(browser), errors(browser)  # what came before
    with serving(folder, device="cpu", port=free_port(7900), tell=pytest.fail) as address:
        browser.get(address)
        assert wait(browser, f"{PICTURE}?.naturalWidth", 30) > 300
        labels = "[...document.querySelectorAll('#classes label')].map(one => one.textContent)"
        assert [name.strip() for name in browser.execute_script(f"return {labels}")] == NAMES
        assert "evaluation (iteration 8)" in browser.find_element("css selector", ".verdict").text

        _choose(browser, "עברית")  # one class less
        line = wait(browser, f"{COMMAND}.includes('--classes') && {COMMAND}", 30)
        assert "עברית" not in line
        assert line.count("--classes=") == 9
        assert "--num 72 --columns 8" in line
        _choose(browser, "Mix two classes")
        wait(browser, f"{COMMAND}.includes('--num 32 --columns 8 --between classes')", 30)
        line = browser.execute_script(f"return {COMMAND}")
        into = {"behavior": "allow", "downloadPath": str(tmp_path / "downloads")}
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", into)
        browser.find_element("id", "download").click()
        browser.find_element("id", "find").click()
        assert wait(browser, "document.querySelector('#neighbours img')?.naturalWidth", 30) > 300

        assert browser.execute_script("return window.hit ?? null") is None
        asked = {url for url in requested(browser) if not url.startswith(("data:", "blob:"))}
        assert {url for url in asked if not url.startswith(address)} == set()
        assert asked
        assert errors(browser) == []
        browser.get("about:blank")
    gc.collect()  # what the server leaves open
    assert abroad == []
    assert not list(folder.glob("**/*.tmp"))
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)
    done = CliRunner().invoke(application.app, words[1:], catch_exceptions=False)
    assert done.exit_code == 0
    repeated = words[words.index("--out") + 1]
    saved = Image.open(tmp_path / "downloads" / repeated)
    assert saved.convert("RGB") == Image.open(repeated).convert("RGB")
