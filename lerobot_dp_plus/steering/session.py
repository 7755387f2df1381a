"""What a person may do to a run, and what becomes of it. It knows no page and no HTTP."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from lerobot_dp_plus.evaluation.arena import AGENT_RADIUS, ARENA, Arena, forward_of
from lerobot_dp_plus.evaluation.moment import Moment, look, seeded_noise
from lerobot_dp_plus.policies import fitting, narrowing
from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.steering.orders import Refused, called, number, read, whole
from lerobot_dp_plus.steering.ways import PROJECTION, SOFT, START_TIME, Wish, bent, free, legal, start_of, straight

#: Pixels: the smallest and the largest obstacle, and how near to a goal the agent has reached it.
SMALLEST, LARGEST, REACHED = 8.0, 120.0, 20.0
MOST_OBSTACLES = 8
BENDING = ("energies", "guidance", "projection", "sampler", "forward")


class Session:
    """A run of PushT, which a person and a policy lead together.

    At every step candidates are drawn for what is observed. Their noise depends on seed and step alone, so what changes
    after an order is due to the order. Equal orders give equal actions.

    Args:
        loaded: a policy of this package that acts in PushT.
        seed: environment seed of the run.
        candidates: how many chunks are drawn.
        way: how wishes bend the policy at first, one of `ways.SAID`.
        watch: is told every order that was carried out, with what came of it.

    Raises:
        ValueError: the policy does not act in PushT, or an argument is not legal.
    """

    def __init__(
        self,
        loaded: Loaded,
        seed: int,
        candidates: int = 64,
        way: str = PROJECTION,
        watch: Callable[[dict[str, Any]], None] | None = None,
    ):
        if candidates < 2:
            raise ValueError(f"candidates = {candidates}: must be at least 2, or there is nothing to choose")
        if seed < 0:
            raise ValueError(f"seed = {seed}: must be at least 0")
        self.policy, self.count, self.watch = loaded.policy, candidates, watch
        config = self.policy.config
        if way not in legal(config):
            raise ValueError(f"way = {way!r}: legal for this policy are {', '.join(legal(config))}")
        self.arena = Arena(loaded, seed)
        self._base = {name: getattr(config, name) for name in BENDING}
        config.forward = forward_of(config)
        self.seed, self.way, self.said = seed, way, "The policy waits. Step, play, or bend what it does."
        self.goal: tuple[float, float] | None = None
        self._begin()

    def perform(self, order: Mapping[str, Any]) -> None:
        """Carry out {"do": NAME, …values}; see `orders.ORDERS`.

        Raises:
            Refused: it is unknown, a value is missing or not legal, or it cannot be done now.
        """
        name, values = read(order)
        done = getattr(self, name)(**values)
        if self.watch:
            self.watch({"do": name, **values, **(done or {})})

    # What a person may order

    def step(self) -> dict[str, Any]:
        """Execute the next action of the plan. Without a plan the policy chooses one."""
        if self.arena.over:
            raise Refused("the run is over; reset starts another")
        if not self.plan:
            self._adopt(self._pick(self._goal_wish()))
        action = self.plan.popleft()
        self.arena.step(action.numpy())
        self.said = ""
        if self.goal is not None and math.dist(self.arena.agent, self.goal) <= REACHED:
            self.goal, self.said = None, "The goal is reached; the policy goes on by itself."
            self._drop()
        if self.arena.success:
            self.said = "Done: the T lies on its goal."
        elif self.arena.over:
            self.said = f"The run is over after {self.arena.steps} steps."
        self._draw(self._goal_wish())
        return {"step": self.arena.steps, "action": action.tolist()}

    def choose(self, mode: int) -> None:
        """Execute a way that is shown, by its number there."""
        mode = whole("mode", mode)
        if self.arena.over:
            raise Refused("the run is over; reset starts another")
        if mode not in self.ids:
            raise Refused(f"the way {called(mode)} is gone; shown are {', '.join(map(called, self.ids))}")
        way = self.moment.ways[self.ids.index(mode)]
        middle = int(self.moment.modes.nearest[0, way])
        wish = self._like(middle)
        if self._bends_draws:
            self._draw(wish)
            distance = (self._places(self.moment.positions) - wish.places).square().sum((1, 2))
            index = self._best(torch.arange(self.count), distance)
        else:
            index = self._pick(None, self.moment.members(way))
        self._adopt(index)
        self.said = f"The {called(mode)} way is taken; dashed is the plan." + self._warning(index)

    def block(self, x: float, y: float, radius: float) -> None:
        """Put a disc where the agent must not go, in pixels."""
        x, y, radius = (number(name, value) for name, value in (("x", x), ("y", y), ("radius", radius)))
        if not (0 <= x <= ARENA and 0 <= y <= ARENA):
            raise Refused(f"an obstacle at ({x:.0f}, {y:.0f}) is outside; the arena is {ARENA} pixels wide")
        if not SMALLEST <= radius <= LARGEST:
            raise Refused(f"an obstacle's radius is {SMALLEST:.0f} to {LARGEST:.0f} pixels, not {radius:.0f}")
        if math.dist((x, y), self.arena.agent) < radius + AGENT_RADIUS + SOFT:
            raise Refused("an obstacle cannot lie on the agent; draw it further away or smaller")
        if self.goal is not None and math.dist((x, y), self.goal) < radius + AGENT_RADIUS:
            raise Refused("an obstacle cannot lie on the goal; remove the goal first")
        if len(self.obstacles) == MOST_OBSTACLES:
            raise Refused(f"there are {MOST_OBSTACLES} obstacles, the most there may be; remove one first")
        self.obstacles.append((x, y, radius))
        self._changed("The obstacle is there; the agent keeps clear of it.")

    def unblock(self, index: int) -> None:
        """Take away an obstacle, by its place in the list."""
        index = whole("index", index)
        if not 0 <= index < len(self.obstacles):
            raise Refused(f"obstacle {index + 1} is gone; there are {len(self.obstacles)}")
        del self.obstacles[index]
        self._changed("The obstacle is gone.")

    def send(self, x: float, y: float) -> None:
        """Send the agent to a place, in pixels. There the wish ends."""
        x, y = number("x", x), number("y", y)
        least, most = AGENT_RADIUS, ARENA - AGENT_RADIUS
        if not (least <= x <= most and least <= y <= most):
            raise Refused(f"a goal at ({x:.0f}, {y:.0f}) is outside; the agent goes from {least:.0f} to {most:.0f}")
        if any(math.dist((x, y), each[:2]) < each[2] + AGENT_RADIUS for each in self.obstacles):
            raise Refused("a goal cannot lie in an obstacle; set it beside, or remove the obstacle first")
        if math.dist((x, y), self.arena.agent) <= REACHED:
            raise Refused("the agent is there already; set the goal further away")
        self.goal = (x, y)
        self._changed("The agent goes to the goal, as far as the policy knows how.")

    def recall(self) -> None:
        """Take the goal away; the policy goes on by itself."""
        if self.goal is None:
            raise Refused("there is no goal to remove")
        self.goal = None
        self._changed("The goal is gone; the policy goes on by itself.")

    def bend(self, way: str) -> None:
        """Switch how wishes bend the policy."""
        if way not in legal(self.policy.config):
            raise Refused(f"way = {way!r}: legal for this policy are {', '.join(legal(self.policy.config))}")
        self.way = way
        self._changed("")

    def reset(self, seed: int) -> None:
        """Start anew, without obstacles and goal."""
        seed = whole("seed", seed)
        if not 0 <= seed < 2**31:
            raise Refused(f"seed = {seed}: must be from 0 to {2**31 - 1}")
        self.seed, self.said = seed, "A new run."
        self.arena.reset(seed)
        self._begin()

    def close(self) -> None:
        """Leave the policy as it was loaded."""
        for name, value in self._base.items():
            setattr(self.policy.config, name, value)
        self.policy.obstacles = None
        self.arena.close()

    # What becomes of it

    @property
    def _bends_draws(self) -> bool:
        return self.way in ("biased_start", "guided", "stochastic")

    def _begin(self) -> None:
        self.obstacles: list[tuple[float, float, float]] = []
        self.goal = None
        self.ids: list[int] = []
        self._ends: dict[int, Tensor] = {}
        self._drop()
        self._draw(None)

    def _drop(self) -> None:
        self.plan: deque[Tensor] = deque()
        self.path: Tensor | None = None  # where the plan leads, (S, P)
        self._planned: Tensor | None = None  # the chosen chunk, (1, L, A) normalised

    def _changed(self, said: str) -> None:
        self.said = said
        self._drop()
        self._draw(self._goal_wish())

    def _goal_wish(self) -> Wish | None:
        if self.goal is None:
            return None
        there = torch.tensor(self.goal, dtype=torch.float32)
        here = torch.as_tensor(self.arena.agent, dtype=torch.float32)
        way = straight(here, there, self.policy.config.chunk_length)
        return Wish(way, way, there)

    def _places(self, positions: Tensor) -> Tensor:
        """Where the robot is at the end of every step, (..., L, P), of positions (..., S, P)."""
        each = self.moment.scene.substeps
        return positions[..., each - 1 :: each, :]

    def _like(self, index: int) -> Wish:
        """The wish to do what a candidate does."""
        places = self._places(self.moment.positions[index])
        return Wish(self.moment.chunks[index], places, places[-1])

    def _draw(self, wish: Wish | None) -> None:
        policy = self.policy
        config = policy.config
        for name, value in bent(self._base, self.way, wish, bool(self.obstacles)).items():
            setattr(config, name, value)
        fitting.check(config)
        policy.obstacles = torch.tensor(self.obstacles) if self.obstacles else None
        last = self.arena.agent if self.arena.last is None else self.arena.last
        self.moment: Moment = look(
            policy,
            self.arena.window(),
            seeded_noise(policy, self.count, self.seed, self.arena.steps),
            start_of(policy, self.way, wish, torch.as_tensor(last)),
            START_TIME,
            tuple(dict.fromkeys((*config.energy_names, *config.selection.energies))),
        )
        self._name_ways()

    def _name_ways(self) -> None:
        """Give every way the number of the way before that ended nearest, so that colours stay."""
        moment = self.moment
        ends = [moment.positions[int(moment.modes.nearest[0, way]), -1] for way in moment.ways]
        known = list(self._ends)
        ids: dict[int, int] = {}
        if known:
            apart = torch.cdist(torch.stack(ends), torch.stack([self._ends[each] for each in known]))
            ids = {int(row): known[column] for row, column in zip(*linear_sum_assignment(apart.numpy()), strict=True)}
        free = (each for each in range(len(ends) + len(known)) if each not in ids.values())
        self.ids = [ids[row] if row in ids else next(free) for row in range(len(ends))]
        self._ends = dict(zip(self.ids, ends, strict=True))

    def _pick(self, wish: Wish | None, among: Tensor | None = None) -> int:
        """The candidate to execute: the nearest to the wish, or the policy's own choice, of those that keep the rules."""
        moment, selection = self.moment, self.policy.config.selection
        among = torch.arange(self.count) if among is None else among
        if wish is not None:
            done = self._places(moment.positions)[:, self.policy.config.n_action_steps - 1]
            return self._best(among, (done - wish.end).square().sum(-1))
        pool = self._keeping(among)
        ahead = narrowing.among(moment.found.from_step(self.policy.config.n_obs_steps - 1), pool[None])
        tail = None
        if self._planned is not None and self.policy.config.n_action_steps < self._planned.shape[1]:
            tail = self._planned[:, self.policy.config.n_action_steps :]
        return int(pool[int(selection.choose(ahead, tail)[0])])

    def _keeping(self, among: Tensor) -> Tensor:
        """Those that break no rule, or if all do, those that break it least."""
        depth = self.moment.violation[among]
        return among[depth <= max(float(depth.min()), 1e-3)]

    def _best(self, among: Tensor, score: Tensor) -> int:
        pool = self._keeping(among)
        return int(pool[int(score[pool].argmin())])

    def _adopt(self, index: int) -> None:
        moment, config = self.moment, self.policy.config
        self.plan = deque(moment.chunks[index, : config.n_action_steps].unbind())
        self.path = moment.positions[index]
        self._planned = moment.found.chunks[:, index, config.n_obs_steps - 1 :]

    def _warning(self, index: int) -> str:
        deep = float(self.moment.violation[index]) - free(self.way)
        return f" It passes {deep:.0f} px through an obstacle; projection would move it out." if deep > 0.5 else ""
