"""A policy that is made before its weights are there: a resumed sharded training fills it from shards after it was cut.

Nobody calls our loading then. What it would refuse is refused here: a config that the weights do not fit and shards of
other weights before the training begins, and a filling that leaves weights out, whoever does it.
"""

from pathlib import Path
from typing import Any

from huggingface_hub.constants import SAFETENSORS_SINGLE_FILE
from torch import nn

from lerobot_dp_plus.policies import checkpoint


def await_weights(policy: Any, folder: Path) -> None:
    """Watch over `policy`, made for the weights in `folder` and not filled with them yet.

    Until something fills it, it neither samples nor trains. Filling it with other weights than its own is an error.

    Raises:
        FileNotFoundError: `folder` holds no weights of any kind.
        ValueError: a field or the weights in the shards do not fit, by name.
    """
    checkpoint.check_saved_config(policy.config, folder, training=True)
    refuse_other_shards(policy, folder)
    absent = f"the weights of {folder} were never loaded into this policy, which holds random ones"
    policy.unlearned = absent

    def refuse(module: nn.Module, given: Any) -> None:
        raise ValueError(f"{absent}: it cannot go on training. LeRobot should have filled it after making it")

    def filled(module: Any, result: Any) -> None:
        faults = checkpoint.misfits(dict.fromkeys(result.missing_keys), dict.fromkeys(result.unexpected_keys))
        if faults:
            raise ValueError(f"{folder}: what was loaded does not fit the config. Weights {'; '.join(faults)}")
        module.unlearned = checkpoint.objective_change(module.config, folder)
        if module.unlearned is not None and module.ema is not None:
            module.ema.n_averaged.zero_()  # the average of what meant something else is no start
        for watch in watches:
            watch.remove()

    watches = [policy.register_forward_pre_hook(refuse), policy.register_load_state_dict_post_hook(filled)]


def refuse_other_shards(policy: nn.Module, folder: Path) -> None:
    """Compare names and shapes of `policy`'s weights with those of the shards in `folder`, from their index alone.

    Torch's loader reads what the policy has and says nothing of what else a shard holds.

    Raises:
        FileNotFoundError, ValueError: as `await_weights`.
    """
    from torch.distributed.checkpoint import FileSystemReader

    indices = sorted(folder.glob("*/.metadata"))
    if not indices and not (folder / SAFETENSORS_SINGLE_FILE).is_file():
        raise FileNotFoundError(f"{folder} holds no weights: neither {SAFETENSORS_SINGLE_FILE} nor a folder of shards")
    expected = {key.replace(checkpoint.COMPILED, ""): value.shape for key, value in policy.state_dict().items()}
    for index in indices:
        saved = FileSystemReader(index.parent).read_metadata().state_dict_metadata
        # accelerate puts the state dict under this name.
        found = {key.removeprefix("model.").replace(checkpoint.COMPILED, ""): each for key, each in saved.items()}
        shapes = {key: getattr(each, "size", None) for key, each in found.items()}
        faults = checkpoint.misfits(expected, shapes)
        if faults:
            raise ValueError(f"{index.parent} does not fit its config. Weights {'; '.join(faults)}")
