"""Recipes that cannot work fail when they are loaded, with the reason and the fix."""

import pytest

from contragan.core.errors import UserError
from contragan.recipes.schema import load_recipe

GP = "regularizers=[{kind: gradient_penalty, weight: 10}]"
ADA = "augmentation={kind: ada, groups: [color], target: 0.6, ramp_images: 100, interval: 1}"
LO = (
    "regularizers=[{kind: latent_optimization, steps: 1, rate: 1.0, alpha: 0.9, beta: 0.1, "
    "cost_weight: 0.1}]"
)


@pytest.mark.parametrize(
    ("name", "overrides", "reason", "fix"),
    [
        ("nt-xent", ["conditioning.augmentation=null"], "copy of itself", "flip_shift"),
        ("projgan", ["generator.conditional=false"], "never sees labels", "conditional=true"),
        ("acgan", ["generator.conditional=false"], "never sees labels", "kind=unconditional"),
        ("dcgan", [GP], "depends on the whole batch", "normalization=layer"),
        ("biggan", ["generator.attention_after_block=5"], "has 2 blocks", "choose 1 to 2"),
        ("biggan", ["generator.latent_dim=50"], "equal chunks", "multiple of 3"),
        ("contragan", ["training.accumulation_steps=32"], "compares the samples", "use fewer"),
        ("wgan", ["discriminator.spectral_norm=true"], "rescales every weight", "leave"),
        ("crgan", ["regularizers=[{kind: r1, weight: 1},{kind: r1, weight: 2}]"], "2 times", "one"),
        ("biggan-ada", ["adversarial.kind=wasserstein"], "sign of the logits", "hinge or"),
        ("biggan-ada", [LO], "differentiates twice", "diff_augment"),
        ("logan", [ADA], "differentiates twice", "diff_augment"),
        (
            "contragan-proxy",
            ["conditioning.augmented_positives={proxy: false}"],
            "needs class proxies",
            "proxy=true",
        ),
        ("contragan", ["regularizers=[{kind: r2, weight: 1}]"], "regularizers.0.kind", "'r1'"),
        ("crgan", ["regularizers.0.weight=1"], "is a list", "regularizers=[{"),
        ("crgan", ["regularizers=[{kind: consistency, weight: 0}]"], "weight", "greater than 0"),
        ("crgan", ["regularizers=[{kind: consistency, wait: 1}]"], "wait", "'weight'"),
        ("contragan", ["augmentation={kind: ada, target: 2}"], "augmentation.target", "less than"),
    ],
)
def test_impossible_combinations(name: str, overrides: list[str], reason: str, fix: str) -> None:
    if "accumulation" in overrides[0]:
        overrides = [*overrides, "training.batch_size=32"]
    with pytest.raises(UserError) as caught:
        load_recipe(f"digits/{name}", overrides)
    message = str(caught.value)
    assert reason in message
    assert fix in message
    assert "\n" not in message


def test_what_the_messages_propose_works() -> None:
    load_recipe("digits/dcgan", [GP, "discriminator.normalization=layer"])
    load_recipe("digits/biggan-ada", ["adversarial.kind=vanilla"])
    load_recipe("digits/nt-xent", ["generator.conditional=false"])
    load_recipe("digits/logan", ["augmentation={kind: diff_augment, policy: [cutout]}"])
