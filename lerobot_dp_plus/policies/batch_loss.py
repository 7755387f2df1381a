"""The loss of a batch: of the chunks, and of what is learned beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from lerobot.utils.constants import ACTION
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.encoders import WORD_IDS, WORDS_VALID
from lerobot_dp_plus.networks import Masked
from lerobot_dp_plus.notation import EMBODIMENT, Tokens, unseen
from lerobot_dp_plus.policies.chunk_model import ChunkModel
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.numbers import as_weights
from lerobot_dp_plus.policies.subtasks import sentences_of
from lerobot_dp_plus.policies.windows import Split, check_finite


class BatchLoss(NamedTuple):
    """The loss of a batch.

    Args:
        mean: of the batch, ().
        each: of every sample, (B,).
        parts: what is logged beside it, by name.
    """

    mean: Tensor
    each: Tensor
    parts: dict[str, float]


def split_batch(
    model: ChunkModel, config: DpPlusConfig, batch: Mapping[str, Tensor]
) -> tuple[Split, dict[str, Tensor]]:
    """What each reader of a normalised batch sees of it, and what else is said of its samples: the instruction, and the robot.

    Raises:
        ValueError: a feature is missing or misshapen, or a state or an action is NaN or infinite; by name.
    """
    shapes, action_dim = config.training_features, config.action_feature.shape[0]  # type: ignore[union-attr]
    batch = as_weights(model, batch, {**shapes, ACTION: (action_dim,)})
    split = config.windows.split(batch, shapes, action_dim, config.mask_padded_actions)
    check_finite(batch, [*config.low_dimensional_features, ACTION])
    for name, member in config.auxiliaries.items():
        if member.tells is not None:
            split.auxiliary[name] = replace(split.auxiliary[name], sentences=sentences_of(config, member.tells, batch))
    said = {key: batch[key] for key in (*config.spoken_features, EMBODIMENT) if key in batch}
    if WORD_IDS in said:
        heard = said[WORD_IDS], said[WORDS_VALID]
        split = split._replace(auxiliary={key: replace(view, said=heard) for key, view in split.auxiliary.items()})
    return split, said


def batch_loss(
    model: ChunkModel, config: DpPlusConfig, split: Split, said: Mapping[str, Tensor], *, every: bool
) -> BatchLoss:
    """What the readers of a batch, `split`, learn from it.

    `said` is what the processor made of the instruction, and of which robot samples are. With `every` no sample is left out to save time.
    """
    head = heads.make(model.acting, config.objective, config.sampler, config.guidance)
    tokens = model.encoder({**split.policy.observations, **said})
    seen: Sequence[Tokens] = tokens
    if model.training and config.condition_dropout:
        seen = unseen(
            tokens, torch.rand(len(split.policy.valid), device=split.policy.valid.device) < config.condition_dropout
        )
    shown = config.n_obs_steps - 1 + config.max_delay if config.max_delay else 0
    condition = model.network.condition(seen)  # type: ignore[operator]
    there = model.there(said)
    asked = condition if there is None else Masked(condition, there)
    chunks, error, share = model.chunk_loss(head, asked, split, config.noise_draws, shown, there)
    further = model.further_losses(tokens, split, every=every, condition=condition)
    parts = {f"loss_{name}": loss.mean.item() for name, loss in further.items()}
    if error is not None:
        executed = slice(config.n_obs_steps - 1, config.n_obs_steps - 1 + config.n_action_steps)
        count = (share[:, executed].sum() * error.shape[2]).clamp_min(1)
        parts["loss_executed"] = (error[:, executed].detach().sum() / count).item()
    mean = sum((loss.mean for loss in further.values()), start=chunks.mean)
    each = sum((loss.each for loss in further.values()), start=chunks.each)
    return BatchLoss(mean, each, parts)
