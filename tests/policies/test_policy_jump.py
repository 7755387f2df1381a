"""Few calls: the flags, what is refused, and every network with jumps through the policy."""

import json

import pytest
import torch
from test_policy_switches import of
from tiny import PRESETS, config, frame, noise, policy, trained, training_batch, window

from lerobot_dp_plus.guidance import Smoothness
from lerobot_dp_plus.objectives import Diffusion, Shortcut
from lerobot_dp_plus.paths import StraightPath
from lerobot_dp_plus.samplers import DDIM, Jump


def test_flags() -> None:
    made = of("dp_plus_transformer", "objective.type=shortcut", "sampler.type=jump", "sampler.num_steps=1")
    assert (made.objective, made.sampler) == (Shortcut(), Jump(num_steps=1))
    made = of("dp_plus_flow", "objective.type=shortcut", "objective.path.type=straight", "objective.prediction=v")
    assert made.objective == Shortcut(prediction="v", path=StraightPath())


@pytest.mark.parametrize(("preset", "objective"), [("dp_plus_transformer", "diffusion"), ("dp_plus_dit", "flow_match")])
def test_a_jump_without_a_flow_map_is_refused_by_name(preset: str, objective: str) -> None:
    with pytest.raises(ValueError, match=f"type = jump needs a flow_map.*type = {objective}.*does not give"):
        config(preset, sampler=Jump())


@pytest.mark.parametrize("preset", PRESETS)
def test_one_and_two_calls_with_every_network(preset: str) -> None:
    made = trained(preset, objective=Shortcut(jump_share=0.5), sampler=Jump(num_steps=2))
    seen, start = window([frame(made.config)] * 2), noise(made.config)
    chunks = {}
    for sampler in (Jump(1), Jump(2), DDIM(1)):
        calls: list[int] = []
        hook = made._averaged_model.network.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        made.config.sampler = sampler
        chunks[sampler] = made.sample(seen, start)
        hook.remove()
        assert chunks[sampler].isfinite().all() and (sampler == DDIM(1) or len(calls) == sampler.num_steps)
    assert not torch.equal(chunks[Jump(1)], chunks[DDIM(1)]), "the network is told where the jump ends"
    assert not torch.equal(chunks[Jump(1)], chunks[Jump(2)])


def test_guidance_reaches_a_jump() -> None:
    made = trained(objective=Shortcut(), sampler=Jump(num_steps=1))
    seen, start = window([frame(made.config)] * 2), noise(made.config)
    free = made.sample(seen, start)
    made.config.guidance = Smoothness(strength=0.1)
    bent = made.sample(seen, start)
    assert bent.diff(n=2, dim=2).square().sum() < free.diff(n=2, dim=2).square().sum()


def test_weights_trained_without_jumps_can_learn_them(tmp_path) -> None:
    """Nothing is added to the network, so a multi-step checkpoint is the start of a few-step one."""
    teacher = trained(objective=Diffusion(prediction="x1"))
    teacher.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    student = policy(objective=Shortcut())
    assert student.state_dict().keys() == teacher.state_dict().keys() and saved["objective"]["prediction"] == "x1"
    student.load_state_dict(teacher.state_dict())
    seen, start = window([frame(teacher.config)] * 2), noise(teacher.config)
    teacher.config.sampler = student.config.sampler = DDIM(4)
    assert torch.equal(student.eval().sample(seen, start), teacher.sample(seen, start))
    student.train()(training_batch(student.config))[0].backward()
    assert all(parameter.grad is not None for parameter in student.get_optim_params())
