"""The measurement: its figures are possible, and bad input is refused before it starts."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from in_process import contragan
from PIL import Image
from rich.console import Console

from contragan.bench.measure import TURN, BenchRequest, bench_batches
from contragan.bench.memory import check_memory, estimate_memory
from contragan.core.errors import UserError
from contragan.recipes.schema import load_recipe

CPU = torch.device("cpu")


def test_figures_are_possible(
    tmp_path: Path, tiny: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bench.json"
    settings = [*tiny, "training.discriminator_steps=2"]
    words = [word for setting in settings for word in ("--set", setting)]
    words += ["--iterations", "3", "--batches", "8,16", "--profile", "--json", str(file)]
    code, said, _ = contragan(capsys, "bench", "digits/contragan", *words)
    assert code == 0
    assert said.startswith("measuring digits/contragan")
    assert "plain step" in said
    assert "GFLOP/s" in said
    assert re.search(r"\d+ others", said)
    values = json.loads(file.read_text())
    assert [result["batch_size"] for result in values["batches"]] == [8, 16]
    assert values["batches"][0].items() <= values.items()
    for result in values["batches"]:
        for name in ("d_step_seconds", "g_step_seconds"):
            assert 0 < result[name] < 60
            assert 0 < result[f"reference_{name}"] < 60
        assert 0 < result["outside_steps_share"] < 1
        assert 1e5 < result["flops_per_second"] < result["matmul_flops_per_second"]
        assert result["peak_memory_bytes"] > result["estimated_memory_bytes"] > 1e6
        split = result["split_seconds"]
        assert all(seconds >= 0 for seconds in split.values())
        outside = split["data"] + split["ema"] + split["other"]
        assert outside / sum(split.values()) == pytest.approx(result["outside_steps_share"])
        assert result["images_per_second"] == pytest.approx(
            2 * result["batch_size"] * result["iterations_per_second"]
        )
        whole = 1200 * sum(split.values())
        assert (result["total_iterations"], result["run_seconds"]) == (1200, pytest.approx(whole))
        operators = {operator["name"]: operator for operator in result["operators"]}
        assert operators["convolution_backward"]["calls"] > 10
        seconds = [operator["seconds"] for operator in result["operators"]]
        assert seconds == sorted(seconds, reverse=True)
        assert sum(split.values()) / 5 < sum(seconds) < 20 * sum(split.values())
        # Folding takes multiplications away, and the G step forgoes D's weight gradients.
        assert result["flops_per_iteration"] < result["reference_flops_per_iteration"]


@pytest.mark.parametrize("profile", [True, False])
def test_progress_counts_every_iteration(tiny: list[str], profile: bool) -> None:
    request = BenchRequest(
        "digits/contragan",
        load_recipe("digits/contragan", [*tiny, "training.batch_size=4"]),
        iterations=TURN + 1,
        profile=profile,
    )
    seen: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:

        @contextmanager
        def progress_bar(console: Console) -> Iterator[Callable[[str, int, int], None]]:
            yield lambda stage, done, total: seen.append((done, total))

        patch.setattr("contragan.bench.measure.progress_bar", progress_bar)
        list(bench_batches(request, None, Console(quiet=True)))
    total = request.all_iterations
    assert seen == [(done + 1, total) for done in range(total)]


def test_unreadable_images_are_left_out_on_demand(
    tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    for index in range(24):
        file = tmp_path / "data" / "ab"[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(file)
    file.write_bytes(b"no image")
    report = tmp_path / "report.tsv"
    recipe = load_recipe("folder/contragan-32", [*tiny[:4], "training.batch_size=4"])
    request = BenchRequest("x", recipe, data=tmp_path / "data", iterations=1, report=report)
    with pytest.raises(UserError, match="unreadable image"):
        list(bench_batches(request, None, Console(quiet=True)))
    assert report.read_text().splitlines()[1].startswith(f"{file}\t")
    request = replace(request, skip_unreadable=True)
    (result,) = bench_batches(request, None, Console(width=500))
    assert not result.synthetic
    assert f"left out: 1 unreadable image, the first is {file}" in capsys.readouterr().out


def test_profiled_iterations_are_not_counted(tiny: list[str]) -> None:
    recipe = load_recipe("digits/contragan", tiny)
    request = BenchRequest("digits/contragan", recipe, iterations=3, profile=True)
    (result,) = bench_batches(request, None, Console(quiet=True))
    assert len(result.times.total) == len(result.reference.total) == 3
    assert result.operators


def test_more_work_takes_more_operations(tiny: list[str]) -> None:
    """Operations are counted, so they are proportional to the batch but for what has no batch."""
    request = BenchRequest("digits/projgan", load_recipe("digits/projgan", tiny), iterations=1)
    small, large = bench_batches(request, "8,32", Console(quiet=True))
    assert large.flops / small.flops == pytest.approx(4, rel=0.05)
    assert large.reference_flops / small.reference_flops == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("batches", ["", "8,", "x", "1", "-4", "2.5"])
def test_impossible_batches_are_refused(batches: str, tiny: list[str]) -> None:
    request = BenchRequest("digits/contragan", load_recipe("digits/contragan", tiny))
    with pytest.raises(UserError, match=r"--batches .* is not a whole number of two or more"):
        list(bench_batches(request, batches, Console(quiet=True)))


def test_what_does_not_fit_is_refused_with_the_setting_to_change(
    tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe("digits/contragan", [*tiny, "training.batch_size=64"])
    estimate = estimate_memory(recipe, 10)
    assert check_memory(recipe, 10, CPU, 0) == estimate.total
    pixels = 4 * 64 * 16 * 16
    half = estimate.fixed + 32 * estimate.per_sample + pixels
    monkeypatch.setattr("contragan.core.memory.available_memory", lambda: half)
    with pytest.raises(
        UserError, match=r"training\.batch_size=32, or training\.accumulation_steps=2"
    ):
        list(bench_batches(BenchRequest("digits", recipe), None, Console(quiet=True)))
    monkeypatch.setattr("contragan.core.memory.available_memory", lambda: estimate.fixed // 2)
    with pytest.raises(UserError, match=r"set generator\.channels"):
        check_memory(recipe, 10, CPU, 0)


def test_the_estimate_holds_what_autograd_keeps(tiny: list[str]) -> None:
    """The larger graph of the two steps, on real tensors at the recipe's own batch size."""
    from contragan.models.layers.factory import set_plain
    from contragan.recipes.gan import build

    recipe = load_recipe("digits/contragan", [*tiny, "training.batch_size=48"])
    gan = build(recipe, 10, seed=0)
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    for network in (gan.generator, gan.discriminator):
        set_plain(network)
    label = torch.arange(48) % 10
    sizes = []
    for step in ("d", "g"):
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            if step == "d":
                outputs = [gan.discriminator(torch.randn(48, 1, 16, 16), label) for _ in range(2)]
            else:
                images = gan.generator(torch.randn(48, gan.generator.latent_dim), label)
                outputs = [gan.discriminator(images, label)]
        sizes.append(sum(tensor.untyped_storage().nbytes() for tensor in kept.values()))
        assert all(output.logit.requires_grad for output in outputs)
    estimate = estimate_memory(recipe, 10)
    assert max(sizes) < estimate.total < 4 * max(sizes)
