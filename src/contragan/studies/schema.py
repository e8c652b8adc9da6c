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
    parameters where the table has them. ``protocol`` is a named protocol, or words. ``note`` is
    said below the table.
    """

    fid: float | None = None
    spread: float | None = None
    intra_class_fid: float | None = None
    parameters: float | None = None
    seconds: float | None = None
    protocol: str
    note: str | None = None


class Cell(Config):
    """One entry of the table: a recipe, by name or by file, with settings as ``--set`` takes them.

    ``row`` and ``column`` place it; two cells may not share both. ``scales`` None: in all of them.
    ``seeds``: at most so many, where the paper has fewer runs of this cell than of the others.
    """

    row: str
    column: str
    recipe: str
    settings: tuple[str, ...] = ()
    published: Published | None = None
    scales: tuple[str, ...] | None = None
    seeds: int | None = Field(default=None, ge=1)

    @property
    def label(self) -> str:
        return f"{self.row}, {self.column}"


class Scale(Config):
    """How far a study is reduced, said on everything it writes.

    ``note`` says in words what is reduced. ``settings`` are applied in the order of their keys to
    each cell's recipe: under ``all``, under a kind that the recipe has as its data set, its
    generator or its conditioning (``cifar10``, ``biggan``, ``contrastive``), or under a recipe's
    name (``cifar10/sagan``).
    """

    note: str
    seeds: int = Field(ge=1)
    settings: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class Claim(Config):
    """An ordering to check: the mean ``score`` of cell ``lower`` lies below that of cell ``than``.

    The cells are named by their labels, "row, column". ``at`` says which evaluation of each run
    counts: the best one, of the lowest Fréchet distance, or the last.
    """

    says: str
    lower: str
    than: str
    score: str = "frechet_distance"
    at: Literal["best", "last"] = "best"


class Study(Config):
    """A grid of runs, and how its table is laid out.

    ``scores`` are metrics.jsonl's names of the scores to show, ``layout`` says whether the cells
    stand in ``columns``, as in the paper, or in ``rows``, one line per cell. ``claims`` are
    orderings to check.
    """

    title: str
    paper: str | None = None
    question: str
    scores: tuple[str, ...] = Field(min_length=1)
    layout: Layout = "rows"
    scales: dict[str, Scale] = Field(min_length=1)
    cells: tuple[Cell, ...] = Field(min_length=1)
    claims: tuple[Claim, ...] = ()

    @model_validator(mode="after")
    def _names_fit(self) -> Study:
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
        for claim in self.claims:
            for label in (claim.lower, claim.than):
                if label not in seen:
                    raise ValueError(
                        f"claim '{claim.says}' names the cell '{label}', which the study does not "
                        "have (write it as 'row, column')"
                    )
        return self
