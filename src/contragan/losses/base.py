"""The one call form of losses of embeddings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

Partner = Literal["proxy", "proxies", "view", "none"]
"""What an embedding is compared with, beside the other embeddings of the batch."""


class EmbeddingLoss(nn.Module, ABC):
    """A loss of image embeddings and their labels: ``loss(embedding, partner, label) -> scalar``.

    ``partner`` says what the second argument is:

    - ``"proxy"``: (B, E), the class proxy of each image's own label;
    - ``"proxies"``: (K, E), the proxies of all classes;
    - ``"view"``: (B, E), the embedding of a transformed copy of each image;
    - ``"none"``: nothing; pass None.

    Embeddings need not have length 1: every loss normalises what it is given. The mean over this
    process's samples is returned, in float32 or wider. A loss that compares samples takes them from
    all processes, with the right gradient (:func:`contragan.core.processes.gather`).
    """

    partner: ClassVar[Partner]

    def extra_repr(self) -> str:
        """The settings of the loss, which are what it was made with."""
        plain = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        plain.pop("training")
        return ", ".join(f"{name}={value!r}" for name, value in plain.items())

    @abstractmethod
    def forward(
        self,
        embedding: Float[Tensor, "B E"],
        partner: Float[Tensor, "N E"] | None,
        label: Int[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        """The mean loss over the batch.

        Args:
            embedding: of the images.
            partner: what :attr:`partner` says.
            label: class indices.
        """


def required(partner: Tensor | None, loss: EmbeddingLoss) -> Tensor:
    """``partner``, which this loss cannot do without.

    Raises:
        ValueError: it is None.
    """
    if partner is None:
        raise ValueError(f"{type(loss).__name__} needs its second argument: {loss.partner}")
    return partner
