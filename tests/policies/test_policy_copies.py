"""A policy that was pickled, copied or saved whole acts as the one it was made from."""

import copy
import io
import pickle

import pytest
import torch
from several import KINDS, acting, of
from tiny import frame, learned, policy, trained, training_batch

from lerobot_dp_plus.heads import compiled
from lerobot_dp_plus.heads.compiled import Compiled
from lerobot_dp_plus.objectives import Diffusion
from lerobot_dp_plus.paths import LinearBetaPath


def saved_whole(made):
    file = io.BytesIO()
    torch.save(made, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


WAYS = {"pickle": lambda made: pickle.loads(pickle.dumps(made)), "deepcopy": copy.deepcopy, "torch.save": saved_whole}


@pytest.mark.parametrize("kind", KINDS)
def test_copies_act_alike_in_the_middle_of_an_episode(kind):
    made = of(kind)
    shape = (2, made.config.selection.candidates, made.config.horizon, 2)
    frames = [frame(made.config, 2) for _ in range(7)]
    with torch.inference_mode():  # as LeRobot's eval, whose tensors know it
        for one in frames[:2]:
            made.select_action(one, noise=torch.randn(shape))
    copies = {name: way(made) for name, way in WAYS.items()}
    for one in frames[2:]:
        drawn = torch.randn(shape)
        action = made.select_action(one, noise=drawn)
        for name, each in copies.items():
            assert torch.equal(each.select_action(one, noise=drawn), action), name


@pytest.mark.parametrize("way", WAYS)
def test_copies_train_on_alike_and_apart(way):
    made = trained("dp_plus_flow")
    twin = WAYS[way](made)
    batches = [training_batch(made.config) for _ in range(2)]
    for each in (made, twin):
        given = iter(batches)
        learned(each, lambda given=given: next(given), updates=2)
    assert made.ema.n_averaged == twin.ema.n_averaged == 4
    states = made.state_dict(), twin.state_dict()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    with torch.no_grad():
        next(twin.model.parameters()).zero_()
    assert next(made.model.parameters()).any(), "weights are not shared"


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_of_a_compiled_policy_compiles_again(way, monkeypatch):
    runs = []
    monkeypatch.setattr(compiled, "graph", lambda propose: lambda *arguments: runs.append(1) or propose(*arguments))
    made = acting(compile_sampler=True, preset="dp_plus_unet")
    seen, drawn = frame(made.config, 2), torch.randn(2, made.config.horizon, 2)
    action = made.select_action(seen, noise=drawn)
    twin = WAYS[way](made)
    assert isinstance(twin._propose, Compiled) and not twin._propose._shapes and made._propose._shapes
    twin.reset()
    assert torch.equal(twin.select_action(seen, noise=drawn), action) and len(runs) == 2


def test_tables_of_one_device_are_not_pickled():
    """Where the pickle is opened that device may not be."""
    made = acting(objective=Diffusion(prediction="x1", path=LinearBetaPath()))
    made.select_action(frame(made.config))
    assert made.config.objective.path._copies
    assert not pickle.loads(pickle.dumps(made)).config.objective.path._copies


def test_an_untrained_one_too():
    made = policy()
    assert pickle.loads(pickle.dumps(made)).config == made.config
