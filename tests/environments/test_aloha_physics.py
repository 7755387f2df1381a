"""aloha_lite's physics and pictures are gym_aloha's; its rewards and its notion of a held goal follow the contacts."""

import re
import subprocess
import sys

import numpy as np
import pytest

from lerobot_dp_plus.environments.aloha_physics import (
    HELD,
    HELD_STEPS,
    REWARDS,
    SEATED,
    TASKS,
    AlohaPhysics,
    MissingExtra,
    require,
    sample_objects,
)

CONTACTS = {
    "transfer_cube": [
        ("red_box", "table"),
        ("red_box", "vx300s_left/10_left_gripper_finger"),
        ("red_box", "vx300s_left/10_right_gripper_finger"),
        ("red_box", "vx300s_right/10_left_gripper_finger"),
        ("red_box", "vx300s_right/10_right_gripper_finger"),
    ],
    "insertion": [
        ("red_peg", "table"),
        ("socket-1", "table"),
        ("red_peg", "socket-2"),
        ("red_peg", "pin"),
        ("socket-3", "vx300s_left/10_left_gripper_finger"),
        ("red_peg", "vx300s_right/10_right_gripper_finger"),
    ],
}


def stock(task: str):
    """gym_aloha's simulation of dm_control, its three pictures a step left out."""
    control = require("dm_control.rl.control")
    mujoco = require("dm_control.mujoco")
    constants, tasks = require("gym_aloha.constants"), require("gym_aloha.tasks.sim")
    kind = {"transfer_cube": tasks.TransferCubeTask, "insertion": tasks.InsertionTask}[task]

    class Blind(kind):
        def get_observation(self, physics):
            return {"qpos": self.get_qpos(physics), "env_state": self.get_env_state(physics)}

    physics = mujoco.Physics.from_xml_path(str(constants.ASSETS_DIR / f"bimanual_viperx_{task}.xml"))
    return control.Environment(physics, Blind(), control_timestep=constants.DT), tasks.BOX_POSE


@pytest.mark.parametrize("task", TASKS)
def test_physics_equals_gym_alohas_bit_for_bit(task):
    theirs, box_pose = stock(task)
    ours = AlohaPhysics(task)
    rng = np.random.default_rng(0)
    moved = 0.0
    for seed in (3, 4):
        objects = sample_objects(task, seed)
        box_pose[0] = objects
        first = theirs.reset().observation
        ours.reset(objects)
        np.testing.assert_array_equal(ours.joints, first["qpos"])
        action, drift = ours.joints, np.zeros(14)
        for step in range(60):
            # A wild walk: reaches the joints' limits and sweeps the table.
            drift = rng.normal(0, 0.06, 14) if step % 8 == 0 else drift
            action = (action + drift).astype(np.float32)
            seen = theirs.step(action)
            reward = ours.step(action)
            np.testing.assert_array_equal(ours.joints, seen.observation["qpos"])
            np.testing.assert_array_equal(ours.objects, seen.observation["env_state"])
            np.testing.assert_array_equal(ours.data.qvel, theirs.physics.data.qvel)
            assert reward == seen.reward
        moved = max(moved, np.abs(ours.joints - first["qpos"]).max())
    assert moved > 0.3, "the actions hardly moved the arms"


@pytest.mark.parametrize("task", TASKS)
def test_rewards_follow_gym_alohas_rules_for_every_set_of_contacts(task):
    """Their `get_reward` reads a contact list; it is given every subset of the contacts that matter."""
    tasks = require("gym_aloha.tasks.sim")
    kind = {"transfer_cube": tasks.TransferCubeTask, "insertion": tasks.InsertionTask}[task]()
    pairs = CONTACTS[task]

    class Contact:
        def __init__(self, pair):
            self.geom1, self.geom2 = pair

    class Listing:
        """Stands in for dm_control's physics: names are their own ids."""

        def __init__(self, chosen):
            self.data = self.model = self
            self.ncon, self.contact = len(chosen), [Contact(pair) for pair in chosen]

        def id2name(self, name, kind):
            return name

    seen = set()
    for subset in range(2 ** len(pairs)):
        chosen = [pair for bit, pair in enumerate(pairs) if subset >> bit & 1]

        def touch(first, second, chosen=chosen):
            return (first, second) in chosen or (second, first) in chosen

        reward = REWARDS[task](touch)
        assert reward == kind.get_reward(Listing(chosen)), chosen
        seen.add(reward)
    assert seen == {0, 1, 2, 3, 4}


def test_a_cube_is_handed_over_when_the_left_gripper_alone_holds_it_in_the_air():
    table, *left_and_right = CONTACTS["transfer_cube"]
    left, right = left_and_right[:2], left_and_right[2:]

    def held(*pairs):
        return HELD["transfer_cube"](lambda a, b: (a, b) in pairs, np.zeros(7))

    assert held(*left)
    assert not held(left[0])
    assert not held(*left, right[1])
    assert not held(*left, table)


def test_a_peg_is_inserted_when_it_sits_deep_in_the_held_socket_however_both_are_turned():
    grips = [
        ("red_peg", "vx300s_right/10_left_gripper_finger"),
        ("socket-3", "vx300s_left/10_left_gripper_finger"),
    ]
    half = np.sqrt(0.5)  # the socket's axis turned from x to y

    def held(along, aside=0.0, pairs=grips):
        socket = np.array([0.1, 0.2, 0.3, half, 0.0, 0.0, half])
        peg = np.array([0.1 + aside, 0.2 + along, 0.3, half, 0.0, 0.0, half])
        return HELD["insertion"](lambda a, b: (a, b) in pairs, np.concatenate([peg, socket]))

    assert held(SEATED - 0.001)
    assert not held(SEATED + 0.001)
    assert not held(SEATED - 0.001, aside=0.03)
    assert not held(SEATED - 0.001, pairs=grips[:1])
    assert not held(SEATED - 0.001, pairs=[*grips, ("socket-1", "table")])


def test_a_goal_counts_only_after_it_has_been_held(monkeypatch):
    physics = AlohaPhysics("transfer_cube")
    physics.reset(sample_objects("transfer_cube", 0))
    answers = [True] * (HELD_STEPS - 1) + [False] + [True] * HELD_STEPS
    given = iter(answers)
    monkeypatch.setitem(HELD, "transfer_cube", lambda touch, objects: next(given))
    completed = []
    for _ in answers:
        physics.step(physics.joints)
        completed.append(physics.completed)
    assert completed == [False] * (len(answers) - 1) + [True]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="task='stack'"):
        AlohaPhysics("stack")
    physics = AlohaPhysics("insertion")
    with pytest.raises(ValueError, match=r"objects has shape \(7,\)"):
        physics.reset(np.zeros(7))
    physics.reset(sample_objects("insertion", 0))
    with pytest.raises(FloatingPointError, match="unstable"):
        physics.step(np.full(14, np.nan))


def test_without_the_extra_the_message_has_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)  # what an import of a missing package meets
    with pytest.raises(
        MissingExtra,
        match=re.escape('needs mujoco, which is not installed: pip install "lerobot_policy_dp_plus[aloha]"'),
    ):
        AlohaPhysics("transfer_cube")


def test_the_environment_module_leaves_the_extra_alone_until_it_is_used():
    code = (
        "import sys, lerobot_dp_plus.environments.aloha_lite;"
        "print({name.split('.')[0] for name in sys.modules} & {'mujoco', 'gym_aloha', 'dm_control'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n", done.stderr


def test_stock_look_is_gym_alohas_picture():
    """One frame of the real thing: three cameras at 640×480 through dm_control."""
    code = """
import gym_aloha, gymnasium, numpy
env = gymnasium.make("gym_aloha/AlohaTransferCube-v0", obs_type="pixels_agent_pos")
theirs = env.reset(seed=1)[0]["pixels"]["top"]
from lerobot_dp_plus.environments.aloha_physics import AlohaPhysics, sample_objects
from lerobot_dp_plus.environments.aloha_render import render
physics = AlohaPhysics("transfer_cube")
physics.reset(sample_objects("transfer_cube", 1))
ours = render(physics, 480, 640, "stock")
print(numpy.abs(theirs.astype(int) - ours).max(), theirs.std() > 20, ours.shape, flush=True)
import os
os._exit(0)  # two OpenGL users in one process complain about each other when they end
"""
    require("mujoco")  # picks the window system for this process and the one below
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[-2:-1] == ["0 True (480, 640, 3)"], done.stdout + done.stderr
