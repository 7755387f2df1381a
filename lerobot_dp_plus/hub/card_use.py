"""The commands and the lines of Python a card tells people to run."""

import json
import shlex
from collections.abc import Mapping

from lerobot_dp_plus.hub.card_folder import Upload
from lerobot_dp_plus.hub.card_markdown import Markdown, one_line

#: Where nothing says otherwise: what `dp-plus evaluate` uses, far from LeRobot's seeds and the demonstrations'.
EPISODES, FIRST_SEED, BATCH = 50, 100_000, 50
OUTPUT = "outputs/eval"


def policy_class(policy_type: str) -> str:
    """The class of a policy type: dp_plus_unet -> DpPlusUnetPolicy."""
    return "".join(part.title() for part in policy_type.split("_")) + "Policy"


def install_lines(upload: Upload) -> Markdown:
    """How to get this package."""
    publication = upload.publication
    if publication.install:
        return Markdown(f"pip install {shlex.quote(one_line(publication.install, 'install'))}")
    wanted = one_line(publication.lerobot_policy_dp_plus or "", "lerobot_policy_dp_plus")
    return Markdown(f"pip install .  # in a checkout of lerobot_policy_dp_plus {wanted}".rstrip())


def eval_command(upload: Upload) -> Markdown:
    """`lerobot eval` on the environment of the checkpoint, with the episodes of its evaluation if there is one."""
    main = upload.evaluations[0] if upload.evaluations else None
    episodes = main.episodes if main else (upload.training.get("eval") or {}).get("n_episodes") or EPISODES
    seed = FIRST_SEED if main is None else main.seeds[0] if main.seeds else None
    flags = {
        "policy.path": upload.location,
        "env.type": upload.environment or "YOUR_SIMULATOR",
        "env.task": upload.task,
        "env.obs_type": _obs_type(upload),
        "eval.n_episodes": episodes,
        "eval.batch_size": min(episodes, BATCH),
        "eval.use_async_envs": "false",
        "seed": seed,
        "output_dir": OUTPUT,
    }
    return _command("lerobot eval", flags)


def report_command(upload: Upload) -> Markdown:
    """What turns the result of `eval_command` into a rate with its interval."""
    return Markdown(f"dp-plus report {OUTPUT} --seed={FIRST_SEED}")


def rollout_command(upload: Upload) -> Markdown:
    """LeRobot's rollout on a robot, for a checkpoint that has no simulator."""
    flags = {
        "strategy.type": "base",
        "policy.path": upload.location,
        "robot.type": "YOUR_ROBOT",
        "robot.port": "YOUR_PORT",
    }
    return _command("lerobot rollout", flags)


def python_lines(upload: Upload) -> Markdown:
    """From a raw observation to an action, processors included."""
    where = json.dumps(one_line(upload.location, "location"), ensure_ascii=False)
    made = policy_class(one_line(upload.config["type"], "type"))
    inputs = [(name, shape) for direction, name, _, shape in upload.features if direction == "in"]
    actions = [shape for direction, name, _, shape in upload.features if (direction, name) == ("out", "action")]
    width = actions[0][0] if actions else "A"
    tensors = "\n".join(
        f"#   {json.dumps(one_line(name, 'feature'), ensure_ascii=False)}: {_shape(shape)}" for name, shape in inputs
    )
    if upload.reads_words:
        tensors += '\n#   "task": the instruction, a sentence'
    robots = [one_line(name, "robot") for name in upload.config.get("robots") or {}]
    served = ")"
    if robots:
        served = f', cli_overrides=["--embodiment={robots[0]}"])  # one of {", ".join(robots)}'
    return Markdown(
        f"""\
import lerobot_policy_dp_plus  # registers the policy types; notebooks and servers need this line
from lerobot.policies import make_pre_post_processors
from lerobot_dp_plus.policies.modeling_dp_plus import {made}

checkpoint = {where}
policy = {made}.from_pretrained(checkpoint{served}
device = {{"device_processor": {{"device": str(policy.config.device)}}}}
preprocess, postprocess = make_pre_post_processors(policy.config, checkpoint, preprocessor_overrides=device)

# observation: a dict of tensors
{tensors}
# call at every step, and policy.reset() before an episode; action: (1, {width})
action = postprocess(policy.select_action(preprocess(observation)))"""
    )


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _obs_type(upload: Upload) -> str | None:
    known = upload.environment_config.get("obs_type")
    if known is not None or upload.environment != "pusht":
        return known
    return "pixels_agent_pos" if upload.has_cameras else "environment_state_agent_pos"


def _command(program: str, flags: Mapping[str, object]) -> Markdown:
    """One command over several lines, flags without a value left out."""
    given = [f"--{key}={shlex.quote(one_line(value, key))}" for key, value in flags.items() if value is not None]
    return Markdown(f"{program} " + " \\\n  ".join(given))
