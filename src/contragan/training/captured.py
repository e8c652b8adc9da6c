"""The step as CUDA graphs: recorded once, then launched whole, without Python in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from contragan.augmentation import Augmentation
from contragan.core.processes import world_size
from contragan.core.randomness import derived_seed
from contragan.core.types import Batch, Terms
from contragan.training.step import Step

WARMUP = 3
"""Updates of each network before the recording: optimisers and libraries set themselves up."""


class Recorder(Protocol):
    """Records what a function does on the device."""

    def warm(self, work: Callable[[], Terms]) -> Terms:
        """Run the function in the way that it will be recorded."""
        ...

    def record(
        self, work: Callable[[], Terms], generators: Iterable[torch.Generator]
    ) -> Callable[[], Terms]:
        """A function that repeats the work on the same tensors, with the generators' new states."""
        ...


class CUDARecorder:
    """Records CUDA graphs, each with a memory pool of its own."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()

    def warm(self, work: Callable[[], Terms]) -> Terms:
        """Run the function on a stream beside the current one, as recordings do."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            terms = work()
        current.wait_stream(self._stream)
        return terms

    def record(
        self, work: Callable[[], Terms], generators: Iterable[torch.Generator]
    ) -> Callable[[], Terms]:
        """The graph's launch; the terms it returns are overwritten by the next."""
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, stream=self._stream):
            terms = work()

        def replay() -> Terms:
            graph.replay()
            return terms

        return replay


@dataclass
class CapturedStep(Step):
    """A :class:`Step` whose D and G updates are each recorded once and replayed from then on.

    Images and labels are copied into tensors that stay, and every draw has a generator that stays
    and is seeded anew before each update, so the numbers are those of :class:`Step`. The terms that
    an update returns are overwritten by the network's next one.

    Where the recording fails, ``tell`` gets one line that says why, and the step runs eagerly.
    """

    recorder: Recorder = field(default_factory=CUDARecorder)
    tell: Callable[[str], None] = print

    def __post_init__(self) -> None:
        super().__post_init__()
        self._generators: dict[tuple[int, tuple[str, ...]], torch.Generator] = {}
        self._parts: list[Batch] = []
        self._updates: dict[str, int] = {}
        self._replays: dict[str, Callable[[], Terms]] = {}
        self._seeded = False
        self._failed = False

    def random(self, update: int, part: int, *purpose: str) -> torch.Generator:
        key = (part, purpose)
        if key not in self._generators:
            self._generators[key] = torch.Generator(self.fabric.device)
        if not self._seeded:
            self._seed(update, part, purpose)
        return self._generators[key]

    def _seed(self, update: int, part: int, purpose: tuple[str, ...]) -> None:
        seed = derived_seed(*self.counters(update, part, *purpose))
        self._generators[part, purpose].manual_seed(seed)

    def discriminator_step(self, update: int, parts: list[Batch]) -> Terms:
        if not self._parts:
            self._parts = [_mapped(torch.clone, part) for part in parts]
        for kept, part in zip(self._parts, parts, strict=True):
            _mapped(torch.Tensor.copy_, kept, part)
        work = super().discriminator_step
        return self._run("discriminator step", update, lambda: work(update, self._parts))

    def generator_step(self, iteration: int) -> Terms:
        work = super().generator_step
        return self._run("generator step", iteration, lambda: work(iteration))

    def _run(self, which: str, update: int, work: Callable[[], Terms]) -> Terms:
        if self._failed:
            return work()
        done = self._updates.get(which, 0)
        self._updates[which] = done + 1
        if not done:
            self._prepare()
        if done < WARMUP:
            return self.recorder.warm(work)
        for part, purpose in self._generators:
            if purpose[0] == which:
                self._seed(update, part, purpose)
        self._seeded = True
        try:
            if which not in self._replays:
                used = [
                    random for (_, uses), random in self._generators.items() if uses[0] == which
                ]
                self._replays[which] = self.recorder.record(work, used)
            return self._replays[which]()
        except RuntimeError as error:
            self._give_up(error)
        finally:
            self._seeded = False
        return work()

    def _prepare(self) -> None:
        """Have Adam count its updates on the device, which it refuses to do on a CPU."""
        for optimizer in (self.discriminator_optimizer, self.generator_optimizer):
            for group in optimizer.param_groups:
                group["capturable"] = self.fabric.device.type == "cuda"

    def _give_up(self, error: RuntimeError) -> None:
        self._failed = True
        self._replays.clear()
        # Generators that a recording has touched may not be seeded again.
        self._generators.clear()
        for network in (self.gan.discriminator, self.gan.generator):
            network.zero_grad(set_to_none=True)
        reason = str(error).strip().partition("\n")[0]
        self.tell(f"the step could not be captured as a CUDA graph and runs eagerly: {reason}")


def _mapped(function: Callable[..., Tensor], *batches: Batch) -> Batch:
    """A batch of the function's results on each of the batches' tensors."""
    return Batch(
        function(*(batch.images for batch in batches)),
        function(*(batch.labels for batch in batches)),
        None if batches[0].index is None else function(*(batch.index for batch in batches)),
    )


def why_not_captured(device: torch.device, augmentation: Augmentation) -> str | None:
    """Why the steps of a run cannot be CUDA graphs; None where they can."""
    if device.type != "cuda":
        return "CUDA graphs need a CUDA device"
    if world_size() > 1:
        return "several processes exchange gradients in the middle of a step"
    if not augmentation.capturable:
        return "the augmentation decides on the host when to adapt"
    return None
