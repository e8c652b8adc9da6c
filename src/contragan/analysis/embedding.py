"""Maps (t-SNE) of what a discriminator makes of real and generated images, by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from contragan.analysis.figures import as_written, colours, name_legend
from contragan.analysis.loaded import chosen_classes, load_titled
from contragan.analysis.tsne import shared_map
from contragan.analysis.vectors import Labels, Rows, Vectors, cosine, picked, vectors_of
from contragan.core.console import note
from contragan.core.fonts import legible
from contragan.evaluation.choice import Choice
from contragan.evaluation.run import images_of_run, refuse_files
from contragan.runs.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

CSV_HEADER = ("checkpoint", "what", "class", "x", "y")

SHOWN_CLASSES, MOST_CLASSES = 10, 20
"""Classes shown where none are named, and the most whose colours can be told apart."""


@dataclass(frozen=True)
class EmbeddingMap:
    """One checkpoint's map. Positions are (N, 2); labels (N,) are indices into ``class_names``.

    ``run`` and ``iteration`` say which checkpoint it is. ``map_of`` says whose map it is where
    several checkpoints share one, and ``likeness`` is then the mean cosine between the vectors of
    the same real images here and in the first of these checkpoints. ``vectors`` says what was
    mapped: D's embeddings, or D's features where its head has none.
    ``proxies`` (K, 2) are class proxies; None where the head has none, or reads no labels.
    ``labelled`` is whether generated images have classes. ``own_proxy`` are the shares of real and
    of generated images whose nearest proxy, by cosine, is that of their own class.
    """

    run: str
    iteration: int
    map_of: str | None
    likeness: float | None
    vectors: str
    class_names: tuple[str, ...]
    real: Rows
    real_labels: Labels
    generated: Rows
    generated_labels: Labels
    proxies: Rows | None
    labelled: bool
    own_proxy: tuple[float, float] | None

    @property
    def title(self) -> str:
        """The run and the iteration, as other figures call them."""
        return f"{self.run}, iteration {self.iteration:,}"

    def rows(self) -> Iterator[tuple[str, str, str, float, float]]:
        """Every point as a row of :data:`CSV_HEADER`."""
        sets = [("real", self.real, self.real_labels)]
        sets.append(("generated", self.generated, self.generated_labels))
        if self.proxies is not None:
            sets.append(("proxy", self.proxies, np.arange(len(self.proxies))))
        for what, points, labels in sets:
            for (x, y), label in zip(points.tolist(), labels.tolist(), strict=True):
                known = what != "generated" or self.labelled
                yield self.title, what, self.class_names[label] if known else "", x, y

    def summary(self) -> str:
        """What the map says as numbers, in one line."""
        said = f"{self.title}: D's {self.vectors} of {len(self.real)} real images and "
        said += f"{len(self.generated)} generated ones"
        if self.own_proxy is not None:
            said += (
                "; the nearest proxy is that of their own class for "
                f"{self.own_proxy[0]:.0%} of real and {self.own_proxy[1]:.0%} of generated images"
            )
        if self.likeness is not None:
            said += f"; the real images' {self.vectors} have a mean cosine of {self.likeness:.2f} "
            said += "with those of the first checkpoint"
        return said


def read_embeddings(
    paths: Sequence[Path],
    console: Console,
    *,
    classes: Sequence[str] = (),
    per_class: int = 100,
    which: str = "best",
    data: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> list[EmbeddingMap]:
    """Maps of runs or checkpoints: training images, as many generated ones, and class proxies.

    Checkpoints of one run share the map of the one that is named first, so that a point's place
    can be compared (:func:`contragan.analysis.tsne.shared_map`). Embeddings of different runs have
    nothing in common, and each run has a map of its own.

    Args:
        paths: run folders, or checkpoints in them.
        console: where progress is shown.
        classes: names or indices; none of them: the first ten.
        per_class: how many real and how many generated images of each class.
        which: the checkpoint of a run: ``"best"`` or ``"last"``.
        data: where the data set lies; None where the run had it.
        seed: of the choice of images, the latents and t-SNE.
        device: where the networks run.

    Raises:
        UserError: no run, no checkpoint with a discriminator, no data, or unknown classes.
    """
    loaded = load_titled(paths, console, which=which, device=device)
    groups: dict[Path, list[tuple[Model, str]]] = {}
    for model, title in loaded:
        groups.setdefault(model.run.path.resolve(), []).append((model, title))
    maps: dict[str, EmbeddingMap] = {}
    for group in groups.values():
        first = group[0][0]
        chosen = chosen_classes(first, classes, console, usual=SHOWN_CLASSES, most=MOST_CLASSES)
        choice = Choice(data=data)
        refuse_files(first.run, choice)
        train, _ = images_of_run(first.run, choice, console)
        real, labels = picked(train, chosen, per_class, seed, console)
        found = [vectors_of(model, title, chosen, real, labels, seed) for model, title in group]
        if found[0].kind == "features":
            kind = first.run.recipe.conditioning.kind
            note(console, f"note: {kind} has no embedding, so D's feature is mapped: {group[0][1]}")
        names = tuple(first.class_names[index] for index in chosen)
        maps |= {one.title: one for one in _mapped(found, names, seed, console)}
    return [maps[title] for _, title in loaded]


def _mapped(
    group: Sequence[Vectors], names: tuple[str, ...], seed: int, console: Console
) -> list[EmbeddingMap]:
    """The maps of one run's checkpoints, which share one."""
    stacked = [np.concatenate(one.parts) for one in group]
    iterations = [f"iteration {one.model.iteration:,}" for one in group]
    shared = shared_map(stacked, iterations, seed, console)
    maps = []
    for one, places in zip(group, shared.places, strict=True):
        ends = np.cumsum([len(part) for part in one.parts])
        real, generated, *proxies = np.split(places, ends[:-1])
        alone, first = len(group) == 1, one is group[0]
        maps.append(
            EmbeddingMap(
                run=one.title.removesuffix(f", iteration {one.model.iteration:,}"),
                iteration=one.model.iteration,
                map_of=None if alone else shared.of,
                likeness=None if alone or first else cosine(one.real, group[0].real),
                vectors=one.kind,
                class_names=names,
                real=real,
                real_labels=one.labels,
                generated=generated,
                generated_labels=one.labels,
                proxies=proxies[0] if proxies else None,
                labelled=one.model.run.recipe.generator.conditional,
                own_proxy=one.own_proxy,
            )
        )
    return maps


def draw_embedding(maps: Sequence[EmbeddingMap]) -> Figure:
    """A part for each run, whose panels are one map: real images and generated ones.

    Checkpoints of one run stand side by side in the order of training, real images above and
    generated ones below. Colours are classes, stars are class proxies; generated images without
    classes are grey.
    """
    from matplotlib.figure import Figure

    groups: dict[str, list[EmbeddingMap]] = {}
    for one in maps:
        groups.setdefault(one.run, []).append(one)
    heights = [4.6 if len(group) == 1 else 7.2 for group in groups.values()]
    widest = max(map(len, groups.values()))
    width = 10.6 if widest <= 2 else 3.6 * widest + 1.4
    figure = Figure(figsize=(width, sum(heights) + 0.3), layout="constrained")
    parts = figure.subfigures(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for group, part in zip(groups.values(), parts, strict=True):
        _show_run(part, sorted(group, key=lambda one: one.iteration))
    return figure


def _show_run(part: SubFigure, group: Sequence[EmbeddingMap]) -> None:
    """The maps of one run's checkpoints, which have the same axes."""
    from matplotlib.lines import Line2D

    first, several = group[0], len(group) > 1
    of = first.map_of and f" of {first.map_of}"
    title = f"{first.run if several else first.title}: D's {first.vectors} (t-SNE{of or ''})"
    as_written(part.suptitle(title, fontweight="bold"))
    shape = (2, len(group)) if several else (1, 2)
    panels = part.subplots(*shape, sharex=True, sharey=True, squeeze=False)
    for one, (above, below) in zip(group, panels.T if several else panels, strict=True):
        shares = one.own_proxy or (None, None)
        when = f"iteration {one.iteration:,}\n" if several else ""
        _panel(above, one, f"{when}real (training)", one.real, one.real_labels, shares[0])
        grey = "" if one.labelled else " (without labels)"
        what = f"generated{grey}"
        _panel(below, one, what, one.generated, one.generated_labels, shares[1], grey=bool(grey))
    palette = colours(len(first.class_names))
    handles = [Line2D([], [], marker="o", linestyle="", color=colour) for colour in palette]
    names = [legible(name, index) for index, name in enumerate(first.class_names)]
    if first.proxies is not None:
        handles.append(_star())
        names.append("class proxy")
    name_legend(part, handles, names, loc="outside right center", frameon=False)


def _star() -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], marker="*", markersize=13, linestyle="", color="white", markeredgecolor="black"
    )


def _panel(
    panel: Axes,
    one: EmbeddingMap,
    title: str,
    points: Rows,
    labels: Labels,
    share: float | None,
    *,
    grey: bool = False,
) -> None:
    palette = np.array(colours(len(one.class_names)))
    order = np.random.default_rng(0).permutation(len(points))  # no class lies over all others
    panel.scatter(
        points[order, 0],
        points[order, 1],
        s=9,
        linewidths=0,
        alpha=0.7,
        c="0.5" if grey else palette[labels[order]],
        rasterized=True,
    )
    if one.proxies is not None:
        _stars(panel, one, one.proxies)
    if share is not None:
        title += f": {share:.0%} are nearest to their own proxy"
    panel.set_title(title, fontsize="medium")
    panel.set_xticks([])
    panel.set_yticks([])


def _stars(panel: Axes, one: EmbeddingMap, proxies: Rows) -> None:
    """Class proxies with their names; those that lie on each other are named together."""
    from matplotlib.patheffects import withStroke

    panel.scatter(
        proxies[:, 0],
        proxies[:, 1],
        s=200,
        marker="*",
        c=colours(len(proxies)),
        edgecolors="black",
        linewidths=1.1,
        zorder=3,
    )
    extent = np.ptp(np.concatenate([one.real, one.generated, proxies]), axis=0)
    for members in _heaps(proxies / np.maximum(extent, 1e-9)):
        place = proxies[members].mean(0) if len(members) > 1 else proxies[members[0]]
        lowest = proxies[members][:, 1].min()
        label = panel.annotate(
            ", ".join(legible(one.class_names[index], index) for index in members),
            (float(place[0]), float(lowest)),
            xytext=(0, -8),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize="small",
            zorder=4,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )
        as_written(label)


def _heaps(places: Rows, near: float = 0.06) -> list[list[int]]:
    """Indices of places (K, 2) in groups, whose members lie near the first one."""
    heaps: list[list[int]] = []
    for index, place in enumerate(places):
        home = next((h for h in heaps if np.abs(places[h[0]] - place).max() < near), None)
        if home is None:
            heaps.append([index])
        else:
            home.append(index)
    return heaps
