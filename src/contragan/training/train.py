"""One training run from a recipe: setup, wire, fit."""

from __future__ import annotations

from functools import partial

import torch
from rich.console import Console

from contragan.augmentation import Augmentation
from contragan.core.console import is_abandoned, note
from contragan.core.errors import UserError
from contragan.core.pictures import GRID_ROWS, labelled_grid, save_image
from contragan.core.processes import share_buffers, world_size
from contragan.data import BatchSource, LabelSampler, drawn_counts
from contragan.evaluation.evaluator import Evaluator
from contragan.models import Generator
from contragan.recipes.gan import GAN, build
from contragan.recipes.schema import AdamConfig
from contragan.runs.log import MetricsLog, read_metrics
from contragan.runs.run import Run
from contragan.runs.sampling import ImageSampler
from contragan.training.callbacks import Callbacks
from contragan.training.captured import CapturedStep, why_not_captured
from contragan.training.continuing import command_to_continue
from contragan.training.display import Display
from contragan.training.ema import EMA
from contragan.training.fine_tuning import FineTuning, class_starts, take_over
from contragan.training.health import Networks, signs_of_death
from contragan.training.loop import Loop
from contragan.training.objective import Objective
from contragan.training.outcome import Outcome
from contragan.training.processes import losses_explained
from contragan.training.rollback import go_back
from contragan.training.room import check_room, memory_explained
from contragan.training.score import Score, score
from contragan.training.setup import (
    Request,
    Setup,
    StepKind,
    changed_code,
    environment,
    on_first,
    set_up,
)
from contragan.training.shorter import ways_for
from contragan.training.stability import StabilityMeter
from contragan.training.step import Step
from contragan.training.stop import Stop
from contragan.training.watch import COLLAPSED, Watch


def train(request: Request, console: Console, callbacks: Callbacks | None = None) -> Outcome:
    """Train a recipe to its end, or until a signal, the time limit or a callback stops it.

    Raises:
        UserError: bad data, a folder that holds another run, features that cannot be had, networks
            that do not fit, a loss not finite, a full disk.
    """
    # Several processes must stop at the same iteration, so they go on without their reader.
    calls = callbacks or Callbacks()
    stop = Stop(
        request.max_minutes,
        lambda: world_size() == 1 and is_abandoned(console),
        asked=lambda: calls.ask_to_stop,
    )
    with losses_explained():
        setup = set_up(request, console)
        try:
            return carry_out(setup, request, stop, calls)
        finally:
            if setup.lock is not None:
                setup.lock.release()


def carry_out(setup: Setup, request: Request, stop: Stop, callbacks: Callbacks) -> Outcome:
    """Train what was set up."""
    with memory_explained():
        loop = wire(setup, request)
    loop.callbacks = callbacks
    begin, end = loop.iteration, request.recipe.training.total_iterations
    stopped = None
    if begin <= end:
        claim(setup, loop)
        stopped = complete(loop, stop)
        if stopped and loop.watch.ended and request.recipe.training.on_collapse == "rollback":
            stopped = f"{stopped}; {go_back(loop)}"
    else:
        loop.step.source.close()
    grid = setup.run.samples / f"step-{loop.iteration:07d}.png"
    return Outcome(
        folder=setup.run.path,
        iteration=loop.iteration,
        stopped=stopped,
        # A launcher that sees another process fail may end the first before it has said so.
        exit_code=exit_code(stopped, loop, stop) if setup.fabric.global_rank == 0 else 0,
        last_grid=grid if grid.is_file() else None,
        scores=loop.display.scores,
        scored_at=loop.display.scored_at,
        best=loop.best,
        best_iteration=loop.best_iteration,
        signs_of_death=look_at_networks(setup, loop) if loop.iteration > begin else [],
        go_on=command_to_continue(request),
        trained=loop.iteration > begin or begin == 0,
    )


def exit_code(stopped: str | None, loop: Loop, stop: Stop) -> int:
    """Of the process: 0 at the end, 3 after the collapse guard, else as ``stop`` says."""
    if not stopped:
        return 0
    return COLLAPSED if loop.watch.ended else stop.exit_code


def look_at_networks(setup: Setup, loop: Loop) -> list[str]:
    """What shows that a network has died; the first process looks."""
    if setup.fabric.global_rank > 0:
        return []
    generators = {"the generator": loop.step.gan.generator}
    if loop.ema is not None:
        generators["the generator's moving average"] = loop.ema.average
    networks = Networks(generators, loop.step.gan.discriminator)
    loss = setup.run.recipe.adversarial
    return signs_of_death(networks, setup.train, loss, loop.display.terms, setup.run.seed)


def complete(loop: Loop, stop: Stop) -> str | None:
    """Train to the end and close what was open; returns why it stopped early, or None."""
    try:
        with stop.listening(), memory_explained(), loop.display.open():
            stopped = loop.fit(stop)
        loop.step.fabric.barrier()  # the first process may still be writing
        return stopped
    finally:
        if loop.log is not None:
            loop.log.close()
        loop.step.source.close()


def wire(setup: Setup, request: Request) -> Loop:
    """Build everything that trains, and load the checkpoint of a resumed run; writes nothing."""
    fabric, run = setup.fabric, setup.run
    training = run.recipe.training
    check_room(run.recipe, run.dataset.num_classes, fabric.device)
    gan = build(run.recipe, run.dataset.num_classes, request.seed)
    taken = start_of(setup, gan)
    gan.move_to(fabric.device)
    step = make_step(setup, gan, request.seed, request.step)
    ema = EMA(gan.generator, training.ema) if training.ema else None
    if taken is not None and ema is not None:
        taken.give_average(ema.average)
    best_generator = ema.average if ema else gan.generator

    def evaluate(iteration: int) -> Score:
        share_buffers(best_generator)
        return score(make_evaluator(setup, best_generator, ema is not None), iteration)

    def draw_samples(iteration: int) -> None:
        if fabric.global_rank == 0:
            write_grid(run, best_generator, request.seed, iteration)

    loop = Loop(
        step=step,
        ema=ema,
        config=training,
        display=Display(setup.console, training.total_iterations),
        checkpoints=run.checkpoints,
        facts={"recipe": run.name, "class_names": list(run.dataset.class_names)},
        evaluate=evaluate,
        draw_samples=draw_samples,
        watch=make_watch(setup, step),
        fine_tuning=taken,
        ways_out=partial(ways_for, run.recipe, setup.checkpoint is not None),
        compiles=request.step != "eager",
    )
    if setup.checkpoint is not None:
        loop.resume(setup.checkpoint)
    return loop


def start_of(setup: Setup, gan: GAN) -> FineTuning | None:
    """Give a new GAN the weights that its training starts from, if there are any, and say so."""
    source = setup.source
    if source is None:
        return None
    fabric, recipe = setup.fabric, setup.run.recipe
    # Decided once: processes that round otherwise could choose other classes.
    starts = on_first(
        fabric, lambda: class_starts(source, setup.train, fabric.device, setup.console)
    )
    assert starts is not None
    taken = take_over(gan, source, starts, recipe)
    for line in taken.lines():
        note(setup.console, line)
    return taken


def claim(setup: Setup, loop: Loop) -> None:
    """Write the run's folder, now that everything about the request has been checked."""
    run = setup.run
    if setup.fabric.global_rank == 0:
        known = environment(setup.fabric, run.recipe)
        for line in changed_code(run.environment, known):
            note(setup.console, line)
        taken = loop.fine_tuning
        run.write(known, None if taken is None else taken.record())
        loop.log = MetricsLog(run.path, loop.iteration, evaluated=loop.evaluated)
        loop.mark_best()
        loop.watch.recall(read_metrics(loop.log.path))
    setup.fabric.barrier()


def make_watch(setup: Setup, step: Step) -> Watch:
    """What watches the training's stability; only the first process measures."""
    recipe = setup.run.recipe
    if recipe.training.stability_every_iterations is None:
        return Watch()
    if setup.fabric.global_rank > 0:
        return Watch(recipe)
    meter = StabilityMeter(step, setup.train, setup.test, recipe.adversarial)
    return Watch(recipe, meter)


def make_evaluator(setup: Setup, generator: Generator, ema: bool) -> Evaluator:
    """The evaluator of a run's generator."""
    assert setup.extractor is not None, "a run that is evaluated has loaded its features"
    return Evaluator(
        generator,
        setup.run.name,
        setup.run.recipe.evaluation,
        train=setup.train,
        test=setup.test,
        seed=setup.run.seed,
        ema=ema,
        console=setup.console,
        extractor=setup.extractor,
        recipe=setup.run.recipe,
    )


def make_step(setup: Setup, gan: GAN, seed: int, kind: StepKind = "eager") -> Step:
    """The step of a recipe, with its optimisers and its sources of images and labels."""
    fabric, recipe = setup.fabric, setup.run.recipe
    training, data = recipe.training, recipe.data
    share = training.batch_size // (training.accumulation_steps * fabric.world_size)
    if share * training.accumulation_steps * fabric.world_size != training.batch_size:
        raise UserError(
            f"training.batch_size {training.batch_size} cannot be shared by {fabric.world_size} "
            f"processes in {training.accumulation_steps} parts each: choose a multiple of "
            f"{training.accumulation_steps * fabric.world_size}"
        )
    gan.discriminator.freeze_lowest(training.frozen_discriminator_blocks)
    step = Step(
        fabric=fabric,
        gan=gan,
        objective=Objective(recipe.adversarial, gan.head, recipe.regularizers),
        discriminator_optimizer=adam(gan.discriminator, training.discriminator_optimizer),
        generator_optimizer=adam(gan.generator, training.generator_optimizer),
        source=BatchSource(
            setup.train,
            fabric.device,
            seed=seed,
            horizontal_flip=data.horizontal_flip,
            batch_size=share,
            sampling=data.sampling,
        ),
        labels=LabelSampler(
            drawn_counts(setup.train, data.sampling), data.fake_labels, fabric.device
        ),
        seed=seed,
        batch_size=training.batch_size,
        accumulation_steps=training.accumulation_steps,
        discriminator_steps=training.discriminator_steps,
        augmentation=(
            recipe.augmentation.build(fabric.device) if recipe.augmentation else Augmentation()
        ),
        synchronized_batch_norm=training.synchronized_batch_norm,
    )
    return faster(step, kind, setup.console)


def faster(step: Step, kind: StepKind, console: Console) -> Step:
    """The step run in another way; as it is, with one line that says why, where that cannot be."""
    if kind == "eager":
        return step
    device = step.fabric.device
    reason = (
        why_not_compiled(device)
        if kind == "compiled"
        else why_not_captured(device, step.augmentation)
    )
    if reason:
        note(console, f"note: the step runs eagerly: {reason}")
        return step
    if kind == "captured":
        return CapturedStep(**step.settings(), tell=lambda line: note(console, f"note: {line}"))
    step.gan.generator.compile()
    step.gan.discriminator.compile()
    return step


def why_not_compiled(device: torch.device) -> str | None:
    """Why torch.compile cannot work here, found by compiling next to nothing; None where it can."""

    def doubled(x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    try:
        torch.compile(doubled)(torch.ones(2, device=device))
    except RuntimeError as error:
        first_line = str(error).strip().partition("\n")[0]
        return f"{first_line} (TORCH_LOGS=+inductor shows more)"
    return None


def adam(network: torch.nn.Module, config: AdamConfig) -> torch.optim.Adam:
    """Adam in its fused form, one kernel for all parameters that are trained."""
    return torch.optim.Adam(
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=True,
    )


GRID_COLUMNS = 10


def grid_shape(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of a grid: 20 of 10 images up to 128 pixels a side, fewer of larger ones."""
    rows = max(5, min(GRID_ROWS, GRID_ROWS * 128 // height))
    return rows, max(4, min(GRID_COLUMNS, GRID_COLUMNS * 128 // width))


def write_grid(run: Run, generator: Generator, seed: int, iteration: int) -> None:
    """A sample grid: one row per class (the first 20), with the same latents every time.

    A single class has five rows. Images of more than 128 pixels have fewer classes and columns.
    """
    most, columns = grid_shape(*run.recipe.data.image_shape[1:])
    rows = min(run.dataset.num_classes, most)
    labels = torch.arange(rows).repeat_interleave(columns if rows > 1 else 5 * columns)
    training = generator.training
    generator.eval()
    images = ImageSampler(generator, seed, purpose="grid")(labels)
    generator.train(training)
    picture = labelled_grid(images, labels, run.dataset.class_names, columns=columns)
    save_image(picture, run.samples / f"step-{iteration:07d}.png")
