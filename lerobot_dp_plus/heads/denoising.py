"""Chunks drawn by carrying noise to data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, cast

import torch
from torch import Tensor

from lerobot_dp_plus.guidance import Guidance, Situation
from lerobot_dp_plus.heads.base import NOTHING, ElementwiseHead, Given, Plan, all_valid, decided
from lerobot_dp_plus.heads.imitation import End, imitation_energy
from lerobot_dp_plus.heads.showing import Showing
from lerobot_dp_plus.heads.tabulated import tabulated
from lerobot_dp_plus.likelihood import Likelihood
from lerobot_dp_plus.networks.prepared import Prepared
from lerobot_dp_plus.notation import Candidates, Condition, Denoiser, Network, Prediction, Shift, map_rows, repeat_rows
from lerobot_dp_plus.objectives import DenoisingObjective, Objective
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers import ReverseSampler, Sampler


@dataclass(frozen=True, eq=False)
class Denoising(ElementwiseHead):
    """chunk = sampler(guidance(denoiser(network))), from noise; the loss is the objective's.

    It serves diffusion, flow matching and flow maps. What depends only on the observation is computed once for all
    candidates and all calls. What depends only on the times is computed once for all calls.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"sampler", "guidance", "noise_scale", "compile_sampler", "noise_draws"})

    objective: DenoisingObjective

    @classmethod
    def check(cls, objective: Objective, sampler: Sampler, guidance: Guidance, noise_scale: float) -> None:
        assert isinstance(objective, DenoisingObjective)
        if noise_scale != 1 and sampler.order is None:
            legal = [n for n, s in Sampler.get_known_choices().items() if s.order is not None]
            raise ValueError(
                f"noise_scale = {noise_scale}: must be 1 with the stochastic sampler.type = "
                f"{Sampler.get_choice_name(type(sampler))}; or use one of {legal}"
            )
        missing = sampler.needs - objective.gives
        if missing:
            legal = [n for n, s in Sampler.get_known_choices().items() if s.needs <= objective.gives]
            raise ValueError(
                f"sampler.type = {Sampler.get_choice_name(type(sampler))} needs a {', '.join(sorted(missing))}, which "
                f"objective.type = {Objective.get_choice_name(type(objective))} does not give; legal are {legal}"
            )
        if "variance" in guidance.needs and not isinstance(sampler, ReverseSampler):
            legal = [n for n, s in Sampler.get_known_choices().items() if issubclass(s, ReverseSampler)]
            raise ValueError(
                f"guidance.type = {Guidance.get_choice_name(type(guidance))} moves the mean of steps that are drawn from "
                f"N(μ, Σ), and those of sampler.type = {Sampler.get_choice_name(type(sampler))} have no Σ; legal are {legal}"
            )
        sampler.check(objective.sampling_path)
        unbounded = objective.prediction == "epsilon" and objective.data_bound is None
        if unbounded and "diffusion_steps" not in sampler.needs:
            raise ValueError(
                "objective.clip_range = null: with objective.prediction=epsilon it must be a number, as an error of the "
                f"noise becomes one of the data times σ/α, thousands where sampler.type = "
                f"{Sampler.get_choice_name(type(sampler))} starts; x1 and v need none"
            )

    @classmethod
    def deterministic(cls, sampler: Sampler) -> bool:
        return sampler.order is not None

    def error(self, condition: Condition, chunk: Tensor, valid: Tensor, shown: Tensor | None = None) -> Tensor:
        network = self.network if shown is None else self._showing(self.objective.sampling_path, chunk, shown)
        return self.objective.loss(network, chunk, condition, valid)

    def propose(self, condition: Condition, noise: Tensor, given: Given = NOTHING) -> Candidates:
        sampler, objective, x = self.sampler, self.objective, noise.flatten(0, 1)
        fixed = None if given.fixed is None else given.fixed.flatten(0, 1)
        absent = map_rows(given.absent, lambda rows: rows.expand(len(noise), *rows.shape[1:]))
        condition, absent = (repeat_rows(each, noise.shape[1]) for each in (condition, absent))
        clock = sampler.clock(objective.sampling_path, x)[given.skipped :]
        path = tabulated(objective.sampling_path, clock)
        if given.start is not None:  # SDEdit, arXiv 2108.01073, alg. 1, for every path and sampler
            x = path.interpolate(x, given.start.flatten(0, 1), clock[0])
        keep_noise = "kept_noise" in sampler.needs

        def denoiser(known: Condition) -> Denoiser:
            if given.shown is None or fixed is None:
                network = self._prepared(path, clock[:-1], known)
            else:
                network = self._showing(path, fixed, given.shown.flatten(0, 1))
            return objective.denoiser(network, known, path=path, keep_noise=keep_noise)

        situation = Situation(
            path, objective.data_bound, keep_noise, noise.shape[1], given.world, condition, denoiser, absent
        )
        wrap = self.guidance.wrap_flow_map if "flow_map" in sampler.needs else self.guidance.wrap
        bent, shift = wrap(denoiser(condition), situation), self.guidance.shift(situation)
        if given.plan is not None:
            bent = following(bent, given.plan, situation)
        if fixed is not None:
            bent = fixing(bent, fixed, path)
            shift = shift and unmoved(shift, fixed)
        chunks = sampler(bent, path, x, given.generator, clock, shift)
        if fixed is not None:  # some samplers end a step before the data
            chunks = decided(fixed, chunks)
        return Candidates(chunks.unflatten(0, noise.shape[:2]), noise=noise)

    def _prepared(self, path: Path, times: Sequence[Tensor], condition: Condition) -> Network:
        return cast(Network, Prepared(self.network, [path.network_time(t) for t in times], condition))

    def _showing(self, path: Path, chunks: Tensor, which: Tensor) -> Network:
        return cast(Network, Showing(self.network, chunks, which, path.network_time(chunks.new_ones(()))))

    @property
    def _unclipped(self) -> DenoisingObjective:
        """The same objective, whose denoiser says of the data what the network says."""
        return replace(self.objective, clip_range=None)

    def log_prob(self, condition: Condition, chunks: Tensor, likelihood: Likelihood) -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            # Tensors made in inference mode cannot be differentiated, but copies can.
            known = repeat_rows(map_rows(condition, torch.clone), chunks.shape[1])
            denoise = self._unclipped.denoiser(self.network, known)
            found = likelihood.log_prob(denoise, self.objective.sampling_path, chunks.flatten(0, 1))
            return found.unflatten(0, chunks.shape[:2])

    def imitation(
        self, condition: Condition, chunks: Tensor, draws: int = 8, valid: Tensor | None = None, end: End = "x0"
    ) -> Tensor:
        """The error of the network's `end`, averaged over `draws` noises at times spread over those of training.

        See `imitation_energy`. Without clipping, so it is what is trained on if `end` is what the network predicts.
        Cost: `draws` network calls.
        """
        objective, rows = self._unclipped, chunks.flatten(0, 1)
        condition = repeat_rows(condition, chunks.shape[1])
        strata = (torch.arange(draws, device=rows.device, dtype=rows.dtype) + 0.5) / draws
        clock = [t.expand(len(rows)) for t in objective.times.quantile(strata)]
        path = tabulated(objective.sampling_path, clock)
        denoise = objective.denoiser(self._prepared(path, clock, condition), condition, path=path)
        return imitation_energy(denoise, path, clock, chunks, all_valid(chunks) if valid is None else valid, end)


def following(denoise: Denoiser, plan: Plan, situation: Situation) -> Denoiser:
    """The denoiser, or flow map, bent towards a plan."""
    actions, weights = plan.actions.flatten(0, 1), plan.weights.flatten(0, 1)

    def known(x_t: Tensor, t: Tensor, *end: Tensor | None) -> Prediction:
        def there(x: Tensor, time: Tensor) -> Prediction:
            return denoise(x, time, *end)  # type: ignore[call-arg]

        return plan.how.wrap(there, actions, weights, situation.path, situation.moved)(x_t, t)

    return known


def unmoved(shift: Shift, fixed: Tensor) -> Shift:
    """The shift of what is not `fixed` (B·N, H, A), where that is NaN."""
    return lambda mean, variance: shift(mean, variance) * fixed.isnan()


def fixing(denoise: Denoiser, fixed: Tensor, path: Path) -> Denoiser:
    """The denoiser, or flow map, whose data end is `fixed` (B·N, H, A) wherever that is not NaN.

    The noise end explains the rest, so what is fixed stays on the line from its noise to its value: the inpainting of
    Janner et al., arXiv 2205.09991, for every path and sampler.
    """

    def known(x_t: Tensor, t: Tensor, *end: Tensor | None) -> Prediction:
        prediction = denoise(x_t, t, *end)  # type: ignore[call-arg]
        explained = path.with_data(decided(fixed, prediction.x1), x_t, t)
        return Prediction(torch.where(fixed.isnan(), prediction.x0, explained.x0), explained.x1)

    return known
