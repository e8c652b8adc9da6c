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
from contragan.analysis.vectors import Labels, Rows, Vectors, picked, vectors_of
from contragan.core.console import note
from contragan.core.errors import UserError
from contragan.core.fonts import legible
from contragan.evaluation.choice import Choice
from contragan.evaluation.run import images_of_run, refuse_files
from contragan.runs.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

CSV_HEADER = ("checkpoint", "what", "class", "x", "y")

SHOWN_CLASSES, MOST_CLASSES = 10, 20
"""Classes shown where none are named, and the most whose colours can be told apart."""

PERPLEXITY = 30.0


@dataclass(frozen=True)
class EmbeddingMap:
    """One checkpoint's map. Positions are (N, 2); labels (N,) are indices into ``class_names``.

    ``vectors`` says what was mapped: D's embeddings, or D's features where its head has none.
    ``proxies`` (K, 2) are class proxies; None where the head has none, or reads no labels.
    ``labelled`` is whether generated images have classes. ``own_proxy`` are the shares of real and
    of generated images whose nearest proxy, by cosine, is that of their own class.
    """

    title: str
    vectors: str
    class_names: tuple[str, ...]
    real: Rows
    real_labels: Labels
    generated: Rows
    generated_labels: Labels
    proxies: Rows | None
    labelled: bool
    own_proxy: tuple[float, float] | None

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
        if self.own_proxy is None:
            return said
        return said + (
            f"; the nearest proxy is that of their own class for {self.own_proxy[0]:.0%} of real "
            f"and {self.own_proxy[1]:.0%} of generated images"
        )


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

    Checkpoints of one run share one map, so that a point's place can be compared from one to the
    next. Embeddings of different runs have nothing in common, and each run has a map of its own.

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
    """The maps of one run's checkpoints, from one t-SNE of all their vectors."""
    parts = [part for one in group for part in one.parts]
    points = tsne(np.concatenate(parts), seed, console)
    pieces = iter(np.split(points, np.cumsum([len(part) for part in parts])[:-1]))
    maps = []
    for one in group:
        real, generated = next(pieces), next(pieces)
        labelled = one.model.run.recipe.generator.conditional
        maps.append(
            EmbeddingMap(
                title=one.title,
                vectors=one.kind,
                class_names=names,
                real=real,
                real_labels=one.labels,
                generated=generated,
                generated_labels=one.labels,
                proxies=None if one.proxies is None else next(pieces),
                labelled=labelled,
                own_proxy=one.own_proxy,
            )
        )
    return maps


def tsne(vectors: Rows, seed: int, console: Console) -> Rows:
    """Places (N, 2) of vectors (N, E), near for vectors that are near.

    Source: van der Maaten and Hinton 2008, as scikit-learn computes it.
    """
    from sklearn.manifold import TSNE

    if len(vectors) < 4:
        raise UserError(f"{len(vectors)} images make no map: take more as --per-class")
    note(console, f"t-SNE places {len(vectors):,} points")
    varied = float(np.ptp(vectors, axis=0).max()) > 0
    method = TSNE(
        perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
        init="pca" if varied and vectors.shape[1] > 1 else "random",
        random_state=seed,
    )
    return np.asarray(method.fit_transform(vectors), dtype=np.float32)


def draw_embedding(maps: Sequence[EmbeddingMap]) -> Figure:
    """A row for each checkpoint: its real images to the left, generated ones to the right.

    Both panels of a row are one map, as are the rows of one run. Colours are classes, stars are
    class proxies; generated images without classes are grey.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(10.6, 4.6 * len(maps) + 0.3), layout="constrained")
    rows = figure.subfigures(len(maps), 1, squeeze=False)[:, 0]
    for one, row in zip(maps, rows, strict=True):
        as_written(row.suptitle(f"{one.title}: D's {one.vectors} (t-SNE)", fontweight="bold"))
        palette = colours(len(one.class_names))
        panels = row.subplots(1, 2, sharex=True, sharey=True)
        shares = one.own_proxy or (None, None)
        _panel(panels[0], one, "real (training)", one.real, one.real_labels, shares[0])
        _panel(panels[1], one, "generated", one.generated, one.generated_labels, shares[1])
        handles = [Line2D([], [], marker="o", linestyle="", color=colour) for colour in palette]
        names = [legible(name, index) for index, name in enumerate(one.class_names)]
        if one.proxies is not None:
            handles.append(_star())
            names.append("class proxy")
        name_legend(row, handles, names, loc="outside right center", frameon=False)
    return figure


def _star() -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], marker="*", markersize=13, linestyle="", color="white", markeredgecolor="black"
    )


def _panel(
    panel: Axes, one: EmbeddingMap, what: str, points: Rows, labels: Labels, share: float | None
) -> None:
    palette = np.array(colours(len(one.class_names)))
    grey = what == "generated" and not one.labelled
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
    title = what if not grey else f"{what} (without labels)"
    if share is not None:
        title += f": {share:.0%} are nearest to their own class's proxy"
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
