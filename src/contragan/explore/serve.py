"""Serving the page to this machine, without a word to the network."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from contragan.core.errors import UserError
from contragan.explore import HOST, PORT
from contragan.runs.model import load

QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""Set before Gradio is imported: it then neither counts its users nor asks the Hugging Face hub."""


def explore(
    run: Path,
    *,
    which: str = "best",
    data: Path | None = None,
    device: str = "auto",
    port: int = PORT,
    open_browser: bool = True,
    tell: Callable[[str], None] = print,
) -> None:
    """Serve a page about a run's generator until Ctrl-C.

    ``tell`` gets what there is to say, the page's address among it.

    Raises:
        UserError: Gradio is not installed, the port is in use, or there is no run or no checkpoint.
    """
    with serving(run, which=which, data=data, device=device, port=port, tell=tell) as address:
        tell(f"{address} (Ctrl-C ends it)")
        if open_browser:
            import webbrowser

            webbrowser.open(address)
        threading.Event().wait()


@contextmanager
def serving(
    run: Path,
    *,
    which: str = "best",
    data: Path | None = None,
    device: str = "auto",
    port: int = PORT,
    tell: Callable[[str], None] = print,
) -> Iterator[str]:
    """Within it the page is served; yields its address. Raises as :func:`explore` does."""
    if importlib.util.find_spec("gradio") is None:
        raise UserError("contragan explore needs Gradio: pip install 'contragan[explore]'")
    check_port(port)
    model = load(run, which=which, device=device)
    for line in model.notes:
        tell(f"note: {line}")
    os.environ.update(QUIET)
    with TemporaryDirectory(prefix="contragan-explore-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder, "gradio"))
        import gradio as gr

        from contragan.explore.explorer import Explorer
        from contragan.explore.page import CSS, build

        explorer = Explorer(model, data, Path(folder), device)
        page = build(explorer)
        theme = gr.themes.Default(
            primary_hue="blue",
            font=["system-ui", "sans-serif"],
            font_mono=["ui-monospace", "monospace"],
        )
        try:
            with redirect_stdout(sys.stderr):
                page.launch(
                    server_name=HOST,
                    server_port=port,
                    share=False,
                    ssr_mode=False,
                    mcp_server=False,
                    pwa=False,
                    enable_monitoring=False,
                    prevent_thread_lock=True,
                    inbrowser=False,
                    quiet=True,
                    footer_links=[],
                    allowed_paths=[folder],
                    theme=theme,
                    css=CSS,
                )
            yield f"http://{HOST}:{port}"
        except OSError as error:  # another program was faster
            raise UserError(f"cannot serve on port {port}: {error}") from error
        finally:
            page.close(verbose=False)


def check_port(port: int) -> None:
    """Raises UserError where a port is in use; names a free one."""
    with socket.socket() as probe:
        if os.name != "nt":  # where it would let two programs have one port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            return
        except PermissionError as error:
            raise UserError(f"port {port} needs an administrator: give --port {PORT}") from error
        except OSError:
            pass
    raise UserError(f"port {port} is in use: give --port {free_port(port)}, which is free")


def free_port(above: int) -> int:
    """A free port, the first of the next hundred if there is one."""
    for port in [*range(above + 1, min(above + 100, 65536)), 0]:
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
                found: int = probe.getsockname()[1]
                return found
            except OSError:
                continue
    raise UserError("no port is free on this machine")
