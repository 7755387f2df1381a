"""What lies in the folders LeRobot's training writes; reads files only, so that looking costs no imports."""

from pathlib import Path

from lerobot_dp_plus.hub.files import sha256, training_step
from lerobot_dp_plus.policies.folders import pretrained_folder

#: What an evaluation under perturbations writes.
ROBUSTNESS = "robustness.json"

__all__ = ["ROBUSTNESS", "pretrained_folder", "training_step", "weights_digest"]


def weights_digest(folder: Path) -> str:
    """SHA-256 of the weights file in `folder`, which names an evaluation's subject for good.

    Raises:
        FileNotFoundError: no model.safetensors.
    """
    file = folder / "model.safetensors"
    if not file.is_file():
        raise FileNotFoundError(f"{folder} holds no model.safetensors.")
    return sha256(file)
