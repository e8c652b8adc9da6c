"""t-SNE maps of vectors, and one map that several checkpoints share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from rich.console import Console

from contragan.analysis.vectors import Rows
from contragan.core.console import note
from contragan.core.errors import UserError

PERPLEXITY = 30.0

PLACING_PERPLEXITY, PLACING_NEIGHBOURS = 5.0, 25
"""How many of the map's points a new one is held by, and by how many its place is first guessed.

openTSNE's own values.
"""


def tsne(vectors: Rows, seed: int, console: Console) -> Rows:
    """Places (N, 2) of vectors (N, E), near for vectors that are near.

    Source: van der Maaten and Hinton 2008, as scikit-learn computes it.

    Raises:
        UserError: fewer than 4 vectors.
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


@dataclass(frozen=True)
class SharedMap:
    """Places (N, 2) of each checkpoint's vectors in one map, and what the map was made of."""

    places: list[Rows]
    of: str


def shared_map(
    checkpoints: Sequence[Rows], names: Sequence[str], seed: int, console: Console
) -> SharedMap:
    """One map of several checkpoints' vectors (N, E).

    It is the map of the first checkpoint alone. openTSNE places the vectors of the others in it
    and moves none that lie there, so that a place means the same for all of them. Without openTSNE
    there is one t-SNE of all vectors together, which is said.

    Source: Poličar, Stražar and Zupan 2023, Embedding to reference t-SNE space.

    Raises:
        UserError: fewer than 4 vectors.
    """
    first, *others = checkpoints
    if others and find_spec("openTSNE") is None:
        note(
            console,
            "note: openTSNE is missing, so the map is one of all checkpoints together: "
            "`pip install 'contragan[tsne]'` places them in the map of the first",
        )
        places = tsne(np.concatenate(checkpoints), seed, console)
        ends = np.cumsum([len(vectors) for vectors in checkpoints])
        return SharedMap(np.split(places, ends[:-1]), "all checkpoints together")
    found = [tsne(first, seed, console)]
    for vectors, name in zip(others, names[1:], strict=True):
        note(console, f"openTSNE places {len(vectors):,} points of {name} among them")
        found.append(placed(vectors, first, found[0], seed))
    return SharedMap(found, names[0])


def placed(vectors: Rows, known: Rows, places: Rows, seed: int) -> Rows:
    """Places (M, 2) of new vectors (M, E) in the map ``places`` (N, 2) of known ones (N, E)."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN

    affinities = PerplexityBasedNN(
        known,
        perplexity=min(PERPLEXITY, (len(known) - 1) / 3),
        method="exact",
        random_state=seed,
    )
    embedding = TSNEEmbedding(
        places.astype(np.float64), affinities, negative_gradient_method="bh", random_state=seed
    )
    found = embedding.transform(
        vectors,
        perplexity=min(PLACING_PERPLEXITY, (len(known) - 1) / 3),
        k=min(PLACING_NEIGHBOURS, len(known) - 1),
    )
    return np.asarray(found, dtype=np.float32)
