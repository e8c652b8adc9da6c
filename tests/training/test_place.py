"""The default folder of a run: readable, safe, and another one where settings differ."""

from __future__ import annotations

import re

import pytest

from contragan.training.place import LONGEST, default_folder, settings_in_name


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], ""),
        (["training.batch_size=16"], "+batch_size=16"),
        # In one order, whatever the user's, and the last value counts.
        (["seed_of=2", "a.b= 3", "a.b=4"], "+b=4+seed_of=2"),
        (
            ["generator.channels=8", "discriminator.channels=16"],
            "+discriminator.channels=16+generator.channels=8",
        ),
        (["adversarial.kind=hinge"], "+adversarial.kind=hinge"),
        (["training.precision=bf16", "training.ema.decay=0.99"], "+decay=0.99+precision=bf16"),
    ],
)
def test_names_of_settings(overrides: list[str], expected: str) -> None:
    assert settings_in_name(overrides) == expected
    assert default_folder("a/b", 3, overrides).as_posix() == f"runs/a/b{expected}/3"


@pytest.mark.parametrize(
    "override",
    [
        "data.classes=[cat/dog, ..]",
        "data.background=C:\\new",
        "data.classes=[" + ", ".join(map(str, range(200))) + "]",
        "description=Fréchet über alles",
        "a.b=x.",
    ],
)
def test_any_value_makes_a_safe_name_of_bounded_length(override: str) -> None:
    name = settings_in_name([override])
    assert re.fullmatch(r"[A-Za-z0-9_.=+,-]+", name)
    assert len(name) <= LONGEST + 7
    assert not name.endswith(".")
    # What the name leaves out still tells two values apart.
    assert name != settings_in_name([override + "!"])
    assert name == settings_in_name([override])


def test_a_file_s_name_stands_for_its_recipe() -> None:
    folder = default_folder("../my recipes/mine.yaml", 1, ["training.batch_size=8"])
    assert folder.as_posix() == "runs/mine+batch_size=8/1"
