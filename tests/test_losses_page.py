"""docs/losses.md: its loop runs as it stands, and it names every public loss."""

import re
from pathlib import Path

import torch

import contragan.losses
from contragan.losses import regularizers
from contragan.recipes.reading import models_in

PAGE = (Path(__file__).parents[1] / "docs" / "losses.md").read_text()


def test_a_loop_of_ones_own_trains_both_networks() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    torch.manual_seed(0)
    setup, _, loop = example.partition("for iteration")
    names: dict[str, object] = {}
    exec(setup, names)
    networks = [names["generator"], names["head"]]
    before = []
    for network in networks:
        assert isinstance(network, torch.nn.Module)
        before.append([parameter.detach().clone() for parameter in network.parameters()])
    exec("for iteration" + loop, names)
    for network, old in zip(networks, before, strict=True):
        assert isinstance(network, torch.nn.Module)
        for parameter, was in zip(network.parameters(), old, strict=True):
            assert torch.isfinite(parameter).all()
            if parameter.ndim > 1:  # the logit's bias has no gradient while both hinges are active
                assert not torch.equal(parameter, was)


def test_every_loss_is_named() -> None:
    public = set(contragan.losses.__all__) - {"EmbeddingLoss"}
    penalties = {variant.__name__ for variant in models_in(regularizers.RegularizerConfig)}
    assert len(penalties) == 9
    missing = {name for name in public | penalties if f"`{name}(" not in PAGE}
    assert missing == set()
