"""Threads that share one policy object: whose episode it is, and what must not be half switched."""

import copy
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from tiny import IMAGES, STATE, frame, noise, trained, training_batch
from torch import Tensor

from lerobot_dp_plus.ema import EmaConfig
from lerobot_dp_plus.heads import compiled
from lerobot_dp_plus.heads.compiled import Compiled
from lerobot_dp_plus.policies.candidates import propose
from lerobot_dp_plus.policies.episode import EvaluationMode
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.policies.randomness import drawing_from, fresh_noise
from lerobot_dp_plus.selection import Coherent


def elsewhere[T](task: Callable[[], T]) -> T:
    """What `task` gives in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(task).result()


def interleaved(*tasks: Callable[[int], None], steps: int) -> None:
    """Step after step, each task in a thread of its own that lives as long as all of them, in turns."""
    pools = [ThreadPoolExecutor(1) for _ in tasks]
    try:
        for step in range(steps):
            for pool, task in zip(pools, tasks, strict=True):
                pool.submit(task, step).result()
    finally:
        for pool in pools:
            pool.shutdown()


def episode(made: DpPlusPolicy, seed: int, size: int) -> Callable[[int], Tensor]:
    """A task that resets at its first step; its observations and noise are its own."""
    frames = [frame(made.config, size) for _ in range(9)]
    count = made.config.selection.candidates

    def act(step: int) -> Tensor:
        if step == 0:
            made.reset()
        drawn = torch.stack([noise(made.config, size, seed=100 * seed + 10 * step + n) for n in range(count)], 1)
        return made.select_action(frames[step], noise=drawn)

    return act


@pytest.mark.parametrize("fields", [{}, {"selection": Coherent(num_candidates=3)}, {"n_obs_steps": 3}])
def test_each_thread_that_resets_has_its_own_history_queue_and_plan(fields):
    made = trained("dp_plus_dit", **fields)
    tasks = [
        episode(made, seed, size) for seed, size in ((1, 2), (2, 1), (3, 4))
    ]  # sizes differ: no reset, no frame shared
    alone = [[task(step) for step in range(9)] for task in tasks]
    together: list[list[Tensor]] = [[], [], []]
    interleaved(*(lambda step, i=i: together[i].append(tasks[i](step)) for i in range(3)), steps=9)
    for one, other in zip(alone, together, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_thread_that_never_resets_acts_in_the_episode_begun_last():
    """LeRobot's rollout resets in one thread and samples in another; pools hand one robot's calls to any thread."""
    made = trained(n_action_steps=3)
    frames = [frame(made.config) for _ in range(5)]
    made.reset()
    expected = [made.select_action(one, noise=noise(made.config)) for one in frames]
    made.reset()
    assert all(
        torch.equal(elsewhere(lambda one=one: made.select_action(one, noise=noise(made.config))), action)
        for one, action in zip(frames, expected, strict=True)
    )
    made.reset()  # here, and the other thread's queue is empty, too
    assert torch.equal(elsewhere(lambda: made.select_action(frames[0], noise=noise(made.config))), expected[0])


def test_queued_actions_are_those_of_the_thread():
    made = trained(n_action_steps=3)
    made.select_action(frame(made.config))
    assert len(made._actions) == 2
    assert elsewhere(lambda: (made.reset(), len(made._actions))[1]) == 0
    assert len(made._actions) == 2
    made._actions.clear()
    assert not made._actions


def test_two_threads_in_one_episode_are_refused_by_name(monkeypatch):
    made = trained()
    inside, go_on = threading.Event(), threading.Event()

    def waits(*arguments):
        inside.set()
        assert go_on.wait(60)
        return propose(*arguments)

    monkeypatch.setattr(made, "_propose", waits)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(made.select_action, frame(made.config))
        assert inside.wait(60)
        try:
            with pytest.raises(
                ValueError, match=r"two threads act in the same episode.*call policy\.reset\(\) in each"
            ):
                made.select_action(frame(made.config))
        finally:
            go_on.set()
        assert first.result().isfinite().all()
    assert made.select_action(frame(made.config)).isfinite().all(), "and the next turn is anybody's"


def test_parts_are_in_evaluation_mode_until_the_last_thread_is_done():
    """The first to leave would switch random crops on under the others."""
    model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout())
    model[1].eval()
    mode = EvaluationMode()
    first, second = mode.of(model), mode.of(model)
    first.__enter__()
    elsewhere(second.__enter__)
    first.__exit__(None, None, None)
    assert not any(part.training for part in model.modules()), "one is still inside"
    elsewhere(lambda: second.__exit__(None, None, None))
    assert [part.training for part in (model, *model)] == [True, True, False], "as they were"


def test_crops_are_those_of_evaluation_while_several_act_in_training_mode():
    made = trained(inputs={**STATE, **IMAGES}, ema=EmaConfig(enabled=False))
    seen, drawn = frame(made.config), noise(made.config)
    expected = made.eval().predict_action_chunk(seen, noise=drawn)
    made.train()
    crops = []
    made.model.encoder.register_forward_pre_hook(lambda module, _: crops.append(module.training))
    start = threading.Barrier(3)

    def act():
        made.reset()
        start.wait(60)
        return [made.predict_action_chunk(seen, noise=drawn) for _ in range(10)]

    with ThreadPoolExecutor(3) as pool:
        chunks = [chunk for task in [pool.submit(act) for _ in range(3)] for chunk in task.result()]
    assert len(crops) == 30 and not any(crops)
    assert all(torch.equal(chunk, expected) for chunk in chunks)
    assert all(module.training for module in made.model.modules())


def test_noise_does_not_come_from_another_threads_training():
    """Neither may take from the other: a training would leave the path that its checkpoint continues."""
    stream, device = torch.tensor([5, 0]), torch.device("cpu")
    with drawing_from(stream.clone(), device):
        alone = torch.rand(4)
    with ThreadPoolExecutor(1) as pool, drawing_from(stream.clone(), device):
        first = torch.rand(2)
        waiting = pool.submit(fresh_noise, (3,), device)
        assert not waiting.done()
        assert torch.equal(torch.cat([first, torch.rand(2)]), alone)
    torch.manual_seed(0)
    assert waiting.result().shape == (3,)


def test_one_thread_compiles_and_the_others_do_not_wait(monkeypatch):
    made = trained()
    seen, drawn = frame(made.config), noise(made.config)
    window = {key: value[:, None].expand(-1, 2, -1) for key, value in seen.items()}
    expected = made.sample(window, drawn)
    made._propose = Compiled(propose)
    compiling, go_on, runs = threading.Event(), threading.Event(), []

    def compiles(*arguments):
        runs.append(1)
        compiling.set()
        assert go_on.wait(60)
        return propose(*arguments)

    monkeypatch.setattr(compiled, "graph", lambda _: compiles)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(made.sample, window, drawn)
        assert compiling.wait(60)
        assert torch.equal(made.sample(window, drawn), expected) and len(runs) == 1
        go_on.set()
        assert torch.equal(first.result(), expected)
    assert torch.equal(made.sample(window, drawn), expected) and len(runs) == 2, "what is compiled serves all"


def test_a_copy_goes_on_with_the_episode_of_the_thread_that_makes_it():
    made = trained(n_action_steps=3)
    frames = [frame(made.config) for _ in range(6)]
    elsewhere(lambda: (made.reset(), made.select_action(frames[5])))  # another task's
    for one in frames[:2]:
        made.select_action(one, noise=noise(made.config))
    copies = [copy.deepcopy(made), pickle.loads(pickle.dumps(made))]
    for one in frames[2:]:
        action = made.select_action(one, noise=noise(made.config))
        assert all(torch.equal(each.select_action(one, noise=noise(made.config)), action) for each in copies)


def test_training_goes_on_beside_a_thread_that_acts():
    made = trained()
    made.train()
    before = made.stream.clone()
    elsewhere(lambda: (made.reset(), made.select_action(frame(made.config))))
    made(training_batch(made.config))[0].backward()
    assert made.stream[1] == before[1] + 1 and made.training
