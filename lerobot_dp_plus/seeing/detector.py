"""Targets that a detector of transformers finds in a recording's pictures."""

from collections.abc import Mapping
from typing import Any

from torchvision.transforms.functional import to_pil_image

from lerobot_dp_plus.extras import imported
from lerobot_dp_plus.seeing.boxes import Found

#: What stands for the episode's instruction in a query.
TASK = "{task}"


class Detector:
    """By one of the classes that a detector knows (DETR, YOLOS), or by words (OWL-ViT, Grounding DINO).

    Args:
        model: a folder, or USER/NAME on the Hub. Weights are read from safetensors alone.
        camera: whose pictures are looked at.
        label: the class that is looked for; None if words say it.
        query: the words; `{task}` in it becomes the episode's instruction. None if a class says it.
        threshold: how sure it must be, 0 … 1.

    Raises:
        ModuleNotFoundError: the extra is not installed. OSError: there is no such model, in transformers' words.
        ValueError: the detector has no class of that name.
    """

    def __init__(
        self,
        model: str,
        camera: str,
        label: str | None,
        query: str | None,
        threshold: float,
        revision: str | None = None,
    ):
        pipeline = imported("transformers", "gaze", by="--detector").pipeline
        self.camera, self.label, self.query, self.threshold = camera, label, query, threshold
        task: Any = "object-detection" if query is None else "zero-shot-object-detection"
        self.find: Any = pipeline(task, model=model, revision=revision, model_kwargs={"use_safetensors": True})
        if label is not None:
            known = sorted(set(self.find.model.config.id2label.values()))
            if label not in known:
                raise ValueError(f"label = {label!r}: {model} knows {', '.join(known[:30])}")

    def __call__(self, sample: Mapping[str, Any]) -> list[Found]:
        """The targets of a frame, in pixels, surest first."""
        picture = to_pil_image(sample[self.camera].clamp(0, 1))
        if self.query is None:
            found = [each for each in self.find(picture, threshold=self.threshold) if each["label"] == self.label]
        else:
            words = self.query.replace(TASK, str(sample.get("task", "")))
            found = self.find(picture, candidate_labels=[words], threshold=self.threshold)
        sides = ("xmin", "ymin", "xmax", "ymax")
        boxes = [([float(each["box"][side]) for side in sides], float(each["score"])) for each in found]
        return [Found(*box, score) for box, score in sorted(boxes, key=lambda pair: -pair[1])]  # type: ignore[call-arg]

    def size(self, sample: Mapping[str, Any]) -> tuple[int, int]:
        """(width, height) of what boxes are told in."""
        height, width = sample[self.camera].shape[-2:]
        return int(width), int(height)
