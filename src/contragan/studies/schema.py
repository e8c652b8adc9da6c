"""What a study's file may say: its cells, its scales, and the published numbers beside them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from contragan.core.config import Config

Layout = Literal["rows", "columns"]


class Published(Config):
    """A published number, which stands beside ours only with its protocol.

    ``fid`` is the mean of best evaluations where there are several runs, ``spread`` what the paper
    prints after the ±, ``seconds`` the time per iteration and ``parameters`` the millions of
    parameters where the table has them. ``protocol`` is a named protocol, or words.
    """

    fid: float | None = None
    spread: float | None = None
    parameters: float | None = None
    seconds: float | None = None
    protocol: str


class Cell(Config):
    """One entry of the table: a recipe, by name or by file, with settings as ``--set`` takes them.

    ``row`` and ``column`` place it; two cells may not share both. ``scales`` None: in all of them.
    """

    row: str
    column: str
    recipe: str
    settings: tuple[str, ...] = ()
    published: Published | None = None
    scales: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        return f"{self.row}, {self.column}"


class Scale(Config):
    """How far a study is reduced, said on everything it writes.

    ``note`` says in words what is reduced. ``settings`` are applied in the order of their keys to
    each cell's recipe: under ``all``, or under a kind that the recipe has as its data set, its
    generator or its conditioning (``cifar10``, ``biggan``, ``contrastive``).
    """

    note: str
    seeds: int = Field(ge=1)
    settings: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class Study(Config):
    """A grid of runs, and how its table is laid out.

    ``scores`` are metrics.jsonl's names of the scores to show, ``layout`` says whether methods
    stand in the table's columns, as in the paper, or in its rows.
    """

    title: str
    paper: str | None = None
    question: str
    scores: tuple[str, ...] = Field(min_length=1)
    layout: Layout = "rows"
    scales: dict[str, Scale] = Field(min_length=1)
    cells: tuple[Cell, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_name_twice(self) -> Study:
        seen: set[str] = set()
        for cell in self.cells:
            if cell.label in seen:
                raise ValueError(f"two cells are called '{cell.label}': give one another name")
            seen.add(cell.label)
        for cell in self.cells:
            for scale in cell.scales or ():
                if scale not in self.scales:
                    raise ValueError(
                        f"cell '{cell.label}' names the scale '{scale}', which the "
                        f"study does not have (it has {', '.join(self.scales)})"
                    )
        return self
