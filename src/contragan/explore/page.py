"""The page: Gradio's controls, wired to what they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from random import randrange
from typing import Any

from contragan.core.resolution import spelled
from contragan.explore.explorer import VIEWS, Explorer, said
from contragan.recipes.catalog import name_beside_seed
from contragan.runs.model import Model

LARGEST_SEED = 2**31 - 1

CSS = """
.gradio-container { max-width: 1400px !important; }
.heading h1 { font-size: 22px; font-weight: 600; margin: 0; overflow-wrap: anywhere; }
.heading p { opacity: 0.8; margin: 2px 0 0; overflow-wrap: anywhere; }
.verdict { border-left: 4px solid var(--border-color-primary); padding: 6px 12px;
  background: var(--block-background-fill); overflow-wrap: anywhere; }
.verdict.faulty { border-left-color: #c2410c; } .verdict.fine { border-left-color: #15803d; }
.verdict p { margin: 0; } .verdict summary { cursor: pointer; }
.verdict ul { margin: 4px 0; padding-left: 20px; list-style: disc; }
.said { overflow-wrap: anywhere; margin: 0; } .remarks:not(:has(p)) { display: none; }
#classes .wrap { max-height: 260px; overflow-y: auto; } #classes span { overflow-wrap: anywhere; }
#picture img, #neighbours img { background: #fff; }
#command textarea { font-family: var(--font-mono); }
@media (max-width: 700px) { #outputs { order: -1; } }
"""


def heading(model: Model) -> str:
    run, data = model.run, model.run.recipe.data
    count = len(model.class_names)
    facts = [
        f"seed {run.seed}, iteration {model.iteration:,}",
        "moving average of the weights" if model.ema else "latest weights",
        spelled(data.resolution),
        f"{count:,} classes" if run.recipe.generator.conditional else "trained without labels",
    ]
    notes = said(*model.notes)
    name = escape(name_beside_seed(run.name, run.seed))
    return (
        f'<div class="heading"><h1><bdi dir="auto">{name}</bdi></h1>'
        f"<p>{escape(', '.join(facts))}</p></div>{notes}"
    )


@dataclass
class Controls:
    """What the reader turns, in the order of :meth:`Explorer.asked`, and what shows and hides."""

    view: Any
    classes: Any
    first: Any
    last: Any
    columns: Any
    rows: Any
    truncation: Any
    seed: Any
    choosing: Any
    ends: Any
    every: Any
    none: Any
    another: Any

    @property
    def values(self) -> list[Any]:
        return [
            self.view,
            self.classes,
            self.first,
            self.last,
            self.columns,
            self.rows,
            self.truncation,
            self.seed,
        ]


@dataclass
class Outputs:
    """What the page shows of the generator."""

    image: Any
    notes: Any
    words: Any
    download: Any
    find: Any
    near: Any
    near_notes: Any


def build(explorer: Explorer) -> Any:
    """The page with its first picture; a ``gradio.Blocks``."""
    import gradio as gr

    model = explorer.model
    with gr.Blocks(title=f"contragan explore: {model.run.name}", analytics_enabled=False) as page:
        gr.HTML(heading(model))
        gr.HTML(explorer.verdict.html())
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                controls = _controls(explorer)
            with gr.Column(scale=3, min_width=300, elem_id="outputs"):
                outputs = _outputs(explorer, [control.value for control in controls.values])
        _arranging(explorer, controls)
        _drawing(explorer, controls, outputs)
    return page


def _controls(explorer: Explorer) -> Controls:
    import gradio as gr

    names, start = explorer.names, explorer.first()
    several, labelled = explorer.has_classes, explorer.is_conditional
    views = [view for view, kind in VIEWS.items() if several or kind != "classes"]
    view = gr.Radio(views, value=views[0], label="Show")
    chosen = list(start.classes)
    classes = gr.CheckboxGroup(
        names, value=chosen, label="Classes", elem_id="classes", visible=labelled
    )
    with gr.Row(visible=several) as choosing:
        every, none = gr.Button("All classes", size="sm"), gr.Button("No class", size="sm")
    with gr.Row(visible=False) as ends:
        first = gr.Dropdown(names, value=0, label="From class")
        last = gr.Dropdown(names, value=min(1, len(names) - 1), label="To class")
    columns = gr.Slider(1, 16, start.columns, step=1, label="Images per row")
    rows = gr.Slider(1, 8, 1, step=1, label="Rows", visible=False)
    truncation = gr.Slider(0, 2, 0, step=0.05, label="Truncation (0: none)")
    seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=LARGEST_SEED)
    another = gr.Button("Another seed", size="sm")
    turned = (view, classes, first, last, columns, rows, truncation, seed)
    return Controls(*turned, choosing, ends, every, none, another)


def _outputs(explorer: Explorer, start: Sequence[Any]) -> Outputs:
    import gradio as gr

    picture, repeated, remarks = explorer.show(*start)
    path = None if picture is None else str(picture)
    kind: dict[str, Any] = {"format": "png", "type": "filepath", "interactive": False}
    kind |= {"show_label": False}  # it would lie over the picture
    image = gr.Image(
        path,
        label="Generated images",
        alt_text="Generated images, one class or path per row",
        buttons=["fullscreen"],
        elem_id="picture",
        **kind,
    )
    notes = gr.HTML(remarks, elem_classes="remarks")
    words = gr.Textbox(
        repeated,
        label="The command that draws this picture",
        lines=2,
        interactive=False,
        buttons=["copy"],
        elem_id="command",
    )
    download = gr.DownloadButton("Download the picture", path, elem_id="download", size="md")
    find = gr.Button("Nearest training images", elem_id="find", size="md")
    near = gr.Image(
        label="Nearest training images",
        alt_text="Training images, each before the generated images nearest to it",
        buttons=["download", "fullscreen"],
        visible=False,
        elem_id="neighbours",
        **kind,
    )
    return Outputs(image, notes, words, download, find, near, gr.HTML(elem_classes="remarks"))


def _arranging(explorer: Explorer, controls: Controls) -> None:
    """Show the controls that the view needs, and let buttons turn others."""
    import gradio as gr

    def arrange(view: str) -> tuple[Any, ...]:
        kind = VIEWS[view]
        mixing = kind == "classes"
        return (
            gr.update(visible=explorer.is_conditional and not mixing),
            gr.update(visible=explorer.has_classes and not mixing),
            gr.update(visible=mixing),
            gr.update(label="Images per row" if kind is None else "Steps from left to right"),
            gr.update(visible=kind is not None, value=4 if mixing else 1),
        )

    arranged = (controls.classes, controls.choosing, controls.ends, controls.columns, controls.rows)
    everything = [index for _, index in explorer.names]
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    controls.view.change(arrange, controls.view, [*arranged], **private)
    controls.every.click(lambda: everything, None, controls.classes, **private)
    controls.none.click(lambda: [], None, controls.classes, **private)
    controls.another.click(lambda: randrange(LARGEST_SEED), None, controls.seed, **private)


def _drawing(explorer: Explorer, controls: Controls, outputs: Outputs) -> None:
    """Draw again whenever a control is turned."""
    import gradio as gr

    def redraw(*values: Any) -> tuple[Any, ...]:
        path, line, remarks = explorer.show(*values)
        gone = gr.update(visible=False, value=None)
        if path is None:
            return gr.skip(), gr.skip(), gr.skip(), remarks, gone, ""
        return str(path), line, gr.update(value=str(path)), remarks, gone, ""

    def compare(*values: Any, progress: Any = gr.Progress()) -> tuple[Any, str]:  # noqa: B008
        def tell(done: int, total: int) -> None:
            progress((done, total), desc="reading training images")

        path, remarks = explorer.neighbours(tell, *values)
        return gr.update(value=path and str(path), visible=path is not None), remarks

    out = outputs
    gr.on(
        [control.change for control in controls.values],
        redraw,
        controls.values,
        [out.image, out.words, out.download, out.notes, out.near, out.near_notes],
        trigger_mode="always_last",
        show_progress="minimal",
        show_progress_on=out.image,
        api_visibility="private",
    )
    shown = [out.near, out.near_notes]
    out.find.click(compare, controls.values, shown, api_visibility="private")
