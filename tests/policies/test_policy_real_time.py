"""A policy behind LeRobot's engine for real-time chunking: what the engine does not say is found out."""

import logging
import time
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from lerobot.configs import RTCAttentionSchedule
from lerobot.policies.rtc.configuration_rtc import RTCConfig
from lerobot.rollout.inference.rtc import RTCInferenceEngine, _normalize_prev_actions_length, supports_rtc_inference
from tiny import as_one_graph, config, frame, noise, policy, taught_to_go_on, trained, training_batch, window

from lerobot_dp_plus.energies import Energies, Goal
from lerobot_dp_plus.heads import Regression
from lerobot_dp_plus.objectives import Shortcut
from lerobot_dp_plus.policies import settling
from lerobot_dp_plus.policies.candidates import propose
from lerobot_dp_plus.policies.real_time import Ongoing, looked_up, with_ongoing, without_padding
from lerobot_dp_plus.policies.recipe import Recipe
from lerobot_dp_plus.real_time import Automatic, Guided, Inpainting, NotContinued, Trained
from lerobot_dp_plus.samplers import DDIM, Jump
from lerobot_dp_plus.selection import HoldMode

LONG = {"horizon": 16, "n_action_steps": 4}
GOAL = Energies(goal=Goal(weight=1.0, target=(0.3, 0.4)))
MEMBERS = [NotContinued(), Guided(), Guided(jacobian=False), Inpainting(), Automatic()]


@pytest.fixture(scope="module")
def shared():
    torch.manual_seed(0)
    return trained(**LONG)


@pytest.fixture
def made(shared):
    shared.reset()
    shared.config.real_time = Automatic()
    return shared


def rest(plan, executed: int, rows: int = 10):
    """What the engine hands on of a chunk (1, L, A)."""
    return _normalize_prev_actions_length(plan[0, executed:], rows)


def test_the_engine_takes_it_for_one_that_can(made) -> None:
    assert supports_rtc_inference(made)


def test_what_is_left_is_found_in_the_plan() -> None:
    torch.manual_seed(0)
    plan = torch.randn(1, 7, 2)
    for executed in range(8):
        for rows in (3, 7, 10):
            assert looked_up(plan, rest(plan, executed, rows)[None]) == executed
        if executed < 7:
            assert looked_up(plan, plan[:, executed:]) == executed
    assert looked_up(plan, plan[:, 2:] + 0.1) is None
    still = torch.full((1, 7, 2), 0.5)
    assert looked_up(still, still[:, 4:]) == 4, "where every step is alike the number of steps tells"


def test_padding_is_told_from_actions() -> None:
    rows = torch.tensor([[[0.0, 1.0], [0.0, 0.0], [2.0, 0.0], [0.0, 0.0], [0.0, 0.0]]])
    assert torch.equal(without_padding(rows), rows[:, :3])
    assert without_padding(torch.zeros(1, 3, 2)).shape == (1, 0, 2)


@pytest.mark.parametrize("how", MEMBERS, ids=lambda each: f"{type(each).__name__}{getattr(each, 'jacobian', '')}")
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_what_is_decided_comes_first_and_the_robot_goes_on(made, how, mode) -> None:
    made.config.real_time = how
    with mode():
        plan = made.predict_action_chunk(frame(made.config, 1), noise(made.config, 1))
        found = made.predict_action_chunk(
            frame(made.config, 1), noise(made.config, 1, 2), inference_delay=3, prev_chunk_left_over=rest(plan, 4)
        )
    torch.testing.assert_close(found[:, :3], plan[:, 4:7])
    assert not torch.allclose(found[:, 3:8], plan[:, 7:12], atol=1e-3)
    assert made.episode.replan.executed == 4
    torch.testing.assert_close(made.episode.replan.tail, plan[:, 4:], msg="selections see the whole tail, though cut")


def test_guidance_brings_what_follows_nearer_to_the_plan(made) -> None:
    def distance(how) -> float:
        made.reset()
        made.config.real_time = how
        torch.manual_seed(3)
        plan = made.predict_action_chunk(frame(made.config, 64), noise(made.config, 64))
        seen = noise(made.config, 64, 2)
        found = made.predict_action_chunk(
            frame(made.config, 64), seen, inference_delay=2, prev_chunk_left_over=plan[:, 4:]
        )
        return (found[:, 2:4] - plan[:, 6:8]).norm().item()

    assert distance(Guided(schedule="ones", jacobian=False)) < 0.7 * distance(NotContinued())


def test_frames_are_as_old_as_the_steps_that_were_executed(made) -> None:
    """Of frames four steps apart the newest stands for the one before, as in training they are one step apart."""
    first, second = frame(made.config, 1), frame(made.config, 1)
    plan = made.predict_action_chunk(first)
    made.predict_action_chunk(second, inference_delay=3, prev_chunk_left_over=rest(plan, 4))
    seen = made.episode.replan.window["observation.state"][0]
    assert torch.equal(seen, second["observation.state"].expand(2, -1))
    plan = made.predict_action_chunk(
        first, inference_delay=1, prev_chunk_left_over=rest(made.episode.chosen.chunks[0], 1)
    )
    seen = made.episode.replan.window["observation.state"][0]
    assert torch.equal(seen, torch.cat([second["observation.state"], first["observation.state"]])), "one step apart"
    whole = {key: torch.stack([value, value + 1], 1) for key, value in first.items()}
    made.predict_action_chunk(whole, inference_delay=1, prev_chunk_left_over=rest(plan, 3))
    assert torch.equal(made.episode.replan.window["observation.state"], whole["observation.state"])


def test_no_delay_is_longer_than_what_was_just_executed(made) -> None:
    """One slow call at the start must not hold a whole run to plans that are decided far ahead."""
    plan = made.predict_action_chunk(frame(made.config, 1))
    found = made.predict_action_chunk(frame(made.config, 1), inference_delay=40, prev_chunk_left_over=rest(plan, 2))
    torch.testing.assert_close(found[:, :2], plan[:, 2:4])
    assert not torch.allclose(found[:, 2:4], plan[:, 4:6], atol=1e-3)


def test_a_plan_that_is_used_up_is_followed_by_a_new_one(made) -> None:
    plan = made.predict_action_chunk(frame(made.config, 1))
    length = plan.shape[1]
    found = made.predict_action_chunk(
        frame(made.config, 1), noise(made.config, 1), inference_delay=40, prev_chunk_left_over=rest(plan, length)
    )
    made.reset()
    assert found.isfinite().all() and found.shape == plan.shape


def test_a_plan_of_somebody_else_is_gone_on_from_as_well(made) -> None:
    """As after a change of coordinates: nothing is known of what was executed, and zeros at the end are no actions."""
    made.predict_action_chunk(frame(made.config, 1))
    other = torch.full((6, 2), 0.3)
    found = made.predict_action_chunk(
        frame(made.config, 1), inference_delay=2, prev_chunk_left_over=_normalize_prev_actions_length(other, 10)
    )
    torch.testing.assert_close(found[:, :2], other[None, :2])
    assert made.episode.replan.executed == 0 and made.episode.replan.tail.shape == (1, 6, 2)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"inference_delay": -1}, "inference_delay = -1: must be 0 or more"),
        ({"inference_delay": 1.5}, "inference_delay = 1.5"),
        ({"inference_delay": True}, "inference_delay = True"),
        ({"prev_chunk_left_over": torch.zeros(4, 3)}, r"prev_chunk_left_over has shape \(4, 3\)"),
        ({"prev_chunk_left_over": torch.full((4, 2), torch.nan)}, "prev_chunk_left_over: there is a NaN"),
        ({"prev_chunk_left_over": torch.rand(3, 4, 2)}, "is of 3 robots, and the observation of 1"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(made, told, said) -> None:
    made.predict_action_chunk(frame(made.config, 1))
    with pytest.raises(ValueError, match=said):
        made.predict_action_chunk(frame(made.config, 1), **told)


def test_chunks_too_short_for_the_delay_are_refused_with_the_way_out(made) -> None:
    plan = made.predict_action_chunk(frame(made.config, 1))
    with pytest.raises(ValueError, match=r"inference_delay = 8: chunks of 15 steps are too short.*--policy.horizon=17"):
        made.predict_action_chunk(frame(made.config, 1), inference_delay=8, prev_chunk_left_over=rest(plan, 9))


# Training for it


def watched(made) -> list:
    """Chunks, times and output of every call of the network that is trained."""
    calls: list = []

    def keep(module, given, out) -> None:
        calls.append((given[0], given[1], out))

    made.model.network.register_forward_hook(keep)
    return calls


def test_a_random_prefix_is_shown_and_does_not_count() -> None:
    """Half of the chunks show nothing, the other half every number of steps equally often; the loss is of what is not shown."""
    torch.manual_seed(0)
    made = trained(max_delay=4, **LONG).train()
    calls = watched(made)
    batch = training_batch(made.config, 600)
    batch["action_is_pad"][:] = False
    loss = made(batch, reduction="none")[0]
    clean = made.config.objective.path.network_time(torch.ones(1))
    (chunks, times, _), *_ = calls
    shown = times == clean
    count = shown.sum(1)
    assert torch.equal(shown, torch.arange(16) < count[:, None]), "the first ones"
    share = torch.bincount(count, minlength=6) / 600
    expected = torch.tensor([1 / 2, *[0.0] * 5]) + 1 / 12
    assert len(share) == 6 and (share - expected).abs().max() < 0.05, "0 to 1 past step and 4 more"
    assert torch.equal(chunks[shown], batch["action"][shown])
    assert (loss > 0).all()


def test_without_a_delay_nothing_is_shown_and_nothing_more_is_drawn() -> None:
    torch.manual_seed(0)
    made = trained(**LONG).train()
    calls = watched(made)
    made(training_batch(made.config))
    assert calls[0][1].dim() == 1


def test_the_loss_is_the_mean_error_of_what_is_not_shown() -> None:
    torch.manual_seed(0)
    made = trained(max_delay=6, noise_draws=2, **LONG).train()
    calls = watched(made)
    batch = training_batch(made.config)
    loss = made(batch, reduction="none")[0]
    _, times, out = calls[0]
    counted = (times != made.config.objective.path.network_time(torch.ones(1))) & ~batch["action_is_pad"].repeat(2, 1)
    square = (out - batch["action"].repeat(2, 1, 1)).square().mean(-1) * counted
    expected = square.unflatten(0, (2, -1)).sum((0, 2)) / counted.unflatten(0, (2, -1)).sum((0, 2))
    torch.testing.assert_close(loss, expected)


def test_a_regression_is_shown_its_prefix_too() -> None:
    """It learns that a chunk goes on as it begins, which no observation tells."""
    torch.manual_seed(0)
    made = policy(objective=Regression(), max_delay=3, horizon=8, n_action_steps=3)
    taught_to_go_on(made, updates=150, size=64)
    for value in (-0.6, 0.6):
        made.reset()
        plan = made.predict_action_chunk(frame(made.config, 1))
        made.reset()
        found = made.predict_action_chunk(
            frame(made.config, 1), inference_delay=2, prev_chunk_left_over=torch.full_like(plan[0, :4], value)
        )
        assert (found[:, 2:] - value).abs().mean() < 0.25
    assert plan.abs().mean() < 0.2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"preset": "dp_plus_unet", "max_delay": 2},
            r"network.type = unet1d has one time .*\['dit', 'lstm', 'mixture', 'transformer'\]",
        ),
        ({"objective": Shortcut(), "sampler": Jump(2), "max_delay": 2}, "objective.type = shortcut jumps"),
        ({"max_delay": 8}, "max_delay = 8: must be at least 0 and at most half of the 15 steps"),
        ({"max_delay": -1}, "max_delay = -1"),
        ({"real_time": Trained()}, "real_time.type = trained: this policy has max_delay = 0"),
        (
            {"objective": Regression(), "real_time": Guided()},
            "objective.type = regression draws them without a sampler",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(fields, said) -> None:
    with pytest.raises(ValueError, match=said):
        config(**{**LONG, **fields})


def test_a_longer_delay_than_trained_for_is_said_once(caplog) -> None:
    settling.tell_once.cache_clear()
    made = trained(max_delay=2, **LONG)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            made.reset()
            plan = made.predict_action_chunk(frame(made.config, 1))
            made.predict_action_chunk(frame(made.config, 1), inference_delay=4, prev_chunk_left_over=rest(plan, 4))
    assert caplog.text.count("inference_delay = 4 is more than max_delay = 2") == 1


# The engine's settings, and the first call


@dataclass
class Newer(RTCConfig):
    """As a later LeRobot announces it."""

    mode: str = "guided"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (RTCConfig(), Automatic()),
        (Newer(), Automatic()),
        (RTCConfig(max_guidance_weight=3.0), Guided(weight=3.0)),
        (RTCConfig(prefix_attention_schedule=RTCAttentionSchedule.ONES), Guided(schedule="ones")),
        (RTCConfig(prefix_attention_schedule=RTCAttentionSchedule.ZEROS), Guided(overlap=0)),
    ],
)
def test_what_the_engine_is_told_is_heeded(made, settings, expected) -> None:
    made.config.rtc_config = settings
    made.init_rtc_processor()
    assert made.config.real_time == expected
    del made.config.rtc_config


def test_the_engine_may_ask_for_what_was_not_trained(made) -> None:
    made.config.rtc_config = Newer(mode="trained")
    with pytest.raises(ValueError, match=r"inference\.rtc\.mode = trained: this policy has max_delay = 0"):
        made.init_rtc_processor()
    del made.config.rtc_config


def test_an_engine_that_does_not_chunk_in_real_time_gets_plain_chunks(made) -> None:
    made.config.rtc_config = RTCConfig(enabled=False)
    plan = made.predict_action_chunk(frame(made.config, 1))
    seen = frame(made.config, 1)
    told = {"inference_delay": 2, "prev_chunk_left_over": rest(plan, 4)}
    found = made.predict_action_chunk(seen, noise(made.config, 1), **told)
    del made.config.rtc_config
    made.reset()
    torch.testing.assert_close(found, made.predict_action_chunk(seen, noise(made.config, 1)))


def test_a_plan_that_nothing_beats_is_held(made) -> None:
    """With a mode that is held, the plan is a candidate, too; a large margin keeps it to the end of what was planned."""
    held = trained(
        selection=HoldMode(num_candidates=8, energy="goal", margin=1e9, near_margin=1e9), energies=GOAL, **LONG
    )
    held.model.units.learn(
        {"action": (torch.zeros(2), torch.ones(2)), "observation.state": (torch.zeros(4), torch.ones(4))}
    )
    held.ema.module.units.load_state_dict(held.model.units.state_dict())
    plan = held.predict_action_chunk(frame(held.config, 1))
    found = held.predict_action_chunk(frame(held.config, 1), inference_delay=3, prev_chunk_left_over=rest(plan, 4))
    torch.testing.assert_close(found[:, :11], plan[:, 4:])
    # Of its last 7 steps 3 are over when the next chunk takes over, and 4 + 3 more before the one after that.
    left = held.predict_action_chunk(frame(held.config, 1), inference_delay=3, prev_chunk_left_over=rest(found, 7))
    torch.testing.assert_close(left[:, :3], plan[:, 11:14])
    assert not torch.allclose(left[:, 3], plan[:, 14], atol=1e-3), "a plan that will not do is not held"


@pytest.mark.parametrize("more", [{}, {"max_delay": 3}], ids=["guided", "trained"])
def test_warming_up_leaves_no_trace(more) -> None:
    made = trained(**LONG, **more)
    calls: list = []
    made.model.network.register_forward_hook(lambda *_: calls.append(1))
    made.ema.module.network.register_forward_hook(lambda *_: calls.append(1))
    before = torch.get_rng_state()
    made.init_rtc_processor()
    assert calls, "the network was called"
    assert torch.equal(torch.get_rng_state(), before)
    assert made.episode.chosen is None and not made.episode.history._latest


@pytest.mark.parametrize("how", [Guided(), Trained()], ids=["guided", "trained"])
def test_it_is_one_graph(how) -> None:
    torch.manual_seed(0)
    made = trained(max_delay=3, real_time=how, sampler=DDIM(2), **LONG)
    seen = window([frame(made.config, 1)] * 2)
    plan = Ongoing(torch.rand(1, 9, 2), torch.full((1, 1, 2), torch.nan), 2, 4)
    told, recipe = with_ongoing(made.config, seen, plan), Recipe.of(made.config)
    model, drawn = made._averaged_model, torch.randn(1, 3, 16, 2)
    with torch.no_grad():
        expected = propose(model, recipe, told, drawn).chunks
        found = as_one_graph(propose)(model, recipe, told, drawn).chunks
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found[:, :, 1:3], plan.ahead[:, None, :2].expand(1, 3, 2, 2))


def test_an_engine_runs_a_robot_with_it(made, monkeypatch) -> None:
    """LeRobot's own engine, its thread and its queue: every chunk begins with what the plan before it has decided."""
    begun: list[tuple[torch.Tensor, torch.Tensor]] = []
    drawing = type(made).predict_action_chunk

    def watched_drawing(self, batch, inference_delay=0, prev_chunk_left_over=None):
        found = drawing(self, batch, inference_delay=inference_delay, prev_chunk_left_over=prev_chunk_left_over)
        if prev_chunk_left_over is not None:
            decided = min(inference_delay, self.episode.replan.executed)
            begun.append((found[0, :decided], prev_chunk_left_over[:decided]))
        return found

    monkeypatch.setattr(type(made), "predict_action_chunk", watched_drawing)

    class Identity:
        steps = ()

        def __call__(self, value):
            return value

        def reset(self) -> None: ...

    class State(Identity):
        def __call__(self, value):
            return {"observation.state": value["observation.state"].float()}

    features = {"observation.state": {"dtype": "float32", "shape": (4,), "names": list("abcd")}}
    robot = SimpleNamespace(robot_type="simulated", action_features={"x": float, "y": float})
    engine = RTCInferenceEngine(
        made, State(), Identity(), robot, RTCConfig(), features, "push", fps=50, device="cpu", rtc_queue_threshold=10
    )
    made.init_rtc_processor()
    engine.start()
    engine.reset()
    engine.resume()
    actions = []
    try:
        deadline = time.monotonic() + 20
        while len(actions) < 40 and time.monotonic() < deadline and not engine.failed:
            engine.notify_observation({name: 0.1 for name in "abcd"})
            action = engine.get_action(None)
            if action is not None:
                actions.append(action)
            time.sleep(0.02)
    finally:
        engine.stop()
    assert not engine.failed and len(actions) == 40
    assert torch.stack(actions).isfinite().all()
    assert sum(len(chunk) for chunk, _ in begun) > 0
    for chunk, plan in begun:
        torch.testing.assert_close(chunk, plan)
