"""`dp-plus explain CHECKPOINT`: pictures, a film and a page."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from lerobot_dp_plus.evaluation.arena import Arena, Run, forward_of
from lerobot_dp_plus.evaluation.folders import pretrained_folder
from lerobot_dp_plus.evaluation.moment import load
from lerobot_dp_plus.evaluation.obs_type import obs_type
from lerobot_dp_plus.explaining import attention, curves, film, gaze, material, scenes, table
from lerobot_dp_plus.explaining.material import Seen
from lerobot_dp_plus.explaining.options import TABLES, explain_parser
from lerobot_dp_plus.explaining.page import Chapter, write_page
from lerobot_dp_plus.modes import Readings
from lerobot_dp_plus.modes.things import LISTED
from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.selection import Densest

#: Modes are told among so many candidates, at least.
FEWEST = 16


def seen_of(loaded: Loaded, run: Run, seed: int, steps: int | None, count: int) -> Seen:
    """The moment that is shown; the run is left there."""
    step, moment = material.see(loaded, run, seed, steps, count)
    calls = material.calls_of(loaded, run, seed, count)
    return Seen(step, run.picture(), moment, calls, material.choice_of(loaded.policy, moment))


def explain_pusht(loaded: Loaded, seed: int, steps: int | None, count: int, output: Path) -> tuple[Seen, list[Chapter]]:
    """Pictures over the scene, and the film."""
    policy = loaded.policy
    policy.config.forward = forward_of(policy.config)
    arena = Arena(loaded, seed)
    seen = seen_of(loaded, arena, seed, steps, count)
    agent = arena.agent.copy()
    chapters = [_chapter(output / "fans.png", "Plans over the scene, coloured by way", scenes.fans, seen, agent)]
    if seen.calls:
        chapters.append(
            _chapter(output / "denoising.png", "Noise becoming plans, step by step", scenes.denoising, seen, agent)
        )
    chapters += _looks(loaded, seen, [str(arena.observation.get("task", ""))], (), output)
    bent = material.bend(loaded, arena, seed, count, material.on_the_way(seen.moment, seen.choice.index, agent))
    chapters.append(
        _chapter(
            output / "steering.png", "The same plans as drawn, guided and projected", scenes.steering, bent, seen, agent
        )
    )
    energy = seen.choice.by
    land = None if energy != "end" else material.landscape_of(loaded, arena, agent, energy, scenes.around(seen, agent))
    chapters.append(
        _chapter(output / "choice.png", "The plan that is taken, and all energies", scenes.choosing, seen, agent, land)
    )
    moving = output / "film.mp4"
    film.film(seen, agent, arena, policy.config.n_action_steps, moving)
    chapters.append(
        Chapter(
            "All of it, moving", "Noise becomes plans, plans fall into ways, one is done in part.", moving, "The film"
        )
    )
    arena.close()
    return seen, chapters


def _chapter(file: Path, alt: str, draw, *shown) -> Chapter:
    title, said = draw(*shown, file)
    return Chapter(title, said, file, alt)


def explain_aloha(
    loaded: Loaded, task: str, seed: int, steps: int | None, count: int, output: Path
) -> tuple[Seen, list[Chapter]]:
    """Curves of the actions over time: nothing says where on the picture an action leads."""
    from lerobot_dp_plus.environments.aloha_lite import AlohaLite

    pictures = loaded.policy.config.recorded_cameras
    shape = next(iter(pictures.values()))[1:] if pictures else (120, 160)
    run = Run(loaded, AlohaLite(task, obs_type("aloha_lite", bool(pictures)) or "", *shape), seed)
    seen = seen_of(loaded, run, seed, steps, count)
    camera = output / "camera.png"
    Image.fromarray(seen.picture).save(camera)
    chapters = [Chapter("What is the situation?", "The camera's picture.", camera, "The camera's picture")]
    chapters.append(_chapter(output / "fans.png", "Plans over time, coloured by way", curves.fans, seen))
    chapters += _looks(loaded, seen, [str(run.observation.get("task", ""))], (), output)
    chapters += _how_they_came(output, seen)
    run.close()
    return seen, chapters


def explain_table(
    loaded: Loaded, env: str, kind: str, each_reading: bool, seed: int, steps: int | None, count: int, output: Path
) -> tuple[Seen, list[Chapter]]:
    """Which thing each plan goes to, by colour and place; then curves of the actions.

    With `each_reading` an equal share of the plans is drawn for each thing that the sentence fits, and they are told apart by
    that.
    """
    from lerobot_dp_plus.environments.things import THINGS, scene_of

    policy, things = loaded.policy, THINGS[env]
    if LISTED in policy.config.low_dimensional_features:
        policy.config.modes = things
        things.check(policy.config.action_feature.shape[0], policy.config.low_dimensional_features)
    made = _table(env)(obs_type(env, bool(policy.config.recorded_cameras)) or "environment_state_agent_pos", kind)
    run = Run(loaded, made, seed)
    if each_reading:
        policy.readings, policy.config.modes = loaded.read(made.readings), Readings()
        policy.config.selection = Densest(FEWEST)  # enough for every reading
    seen = seen_of(loaded, run, seed, steps, count)
    scene = scene_of([made])  # a policy that acts on pictures does not know where things are
    modes = seen.moment.modes if each_reading else things.of(seen.moment.chunks[None], scene)
    seen = replace(seen, moment=replace(seen.moment, modes=modes, scene=scene))
    told = made.task_description, made.readings if each_reading else (), made.said.fits
    alt = "Plans from above, coloured by thing"
    chapters = [_chapter(output / "things.png", alt, table.fans, seen, things, *told)]
    sentences = made.readings if each_reading else [made.task_description]
    chapters += _looks(loaded, seen, sentences, things.names, output)
    numbers = made.said.fits if each_reading else [made.target]
    found = gaze.regions_of(loaded, seen.moment, sentences, [made.gaze(number) for number in numbers])
    if found:
        chapters.append(_chapter(output / "gaze.png", "The target's region, true and drawn", gaze.crops, found))
    chapters += _how_they_came(output, seen)
    run.close()
    return seen, chapters


def _looks(loaded: Loaded, seen: Seen, sentences: Sequence[str], names: Sequence[str], output: Path) -> list[Chapter]:
    """Where it looks, if its network attends to places, things or words."""
    looks = attention.looks_of(loaded, seen.moment, sentences)
    if not looks:
        return []
    return [_chapter(output / "attention.png", "Where the actions look", attention.drawn, looks, names)]


def _how_they_came(output: Path, seen: Seen) -> list[Chapter]:
    """How noise became plans, where that is known, and which of them was chosen."""
    made = []
    if seen.calls:
        made.append(_chapter(output / "denoising.png", "Noise becoming plans, step by step", curves.denoising, seen))
    return [*made, _chapter(output / "choice.png", "The energies of all plans", curves.choosing, seen)]


def _table(env: str) -> Any:
    """The environment of this name: blocks, or three_pucks, which needs an extra."""
    if env == "blocks":
        from lerobot_dp_plus.environments.blocks import Blocks

        return Blocks
    from lerobot_dp_plus.environments.pucks import ThreePucks

    return ThreePucks


def main(argv: Sequence[str]) -> int:
    """`dp-plus explain CHECKPOINT [--env pusht] [--seed N] [--steps K] [--output DIR]`."""
    options = explain_parser().parse_args(argv)
    if options.candidates < FEWEST:
        raise ValueError(f"candidates = {options.candidates}: must be at least {FEWEST}, among which ways can be told")
    if options.steps is not None and options.steps < 0:
        raise ValueError(f"steps = {options.steps}: must be at least 0")
    folder = pretrained_folder(options.checkpoint)
    loaded = load(folder, options.env)
    torch.set_num_threads(1)
    if options.readings and options.env not in TABLES:
        raise ValueError(f"--readings: legal with --env {' or '.join(TABLES)}, whose sentences may fit several things")
    name = options.checkpoint.resolve().name
    output = options.output or Path("outputs/explain") / name
    output.mkdir(parents=True, exist_ok=True)
    asked = options.seed, options.steps, options.candidates, output
    note = ""
    if options.env == "pusht":
        seen, chapters = explain_pusht(loaded, *asked)
    elif options.env in TABLES:
        seen, chapters = explain_table(loaded, options.env, options.instruction, options.readings, *asked)
    else:
        seen, chapters = explain_aloha(loaded, options.task, *asked)
        note = "No scene and no film: nothing says where on a picture joints lead, so plans are curves over time."
        print(note)
    about = f"{name} in {options.env}, seed {options.seed}, after {seen.step} control steps."
    page = write_page(
        output / "index.html", "What the policy might do, and why it does what it does", about, chapters, note
    )
    for chapter in chapters:
        print(chapter.file)
    print(f"open {page}")
    return 0
