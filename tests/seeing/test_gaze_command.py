"""`dp-plus gaze` on recordings on disk: boxes from a mask and from a detector, and frames that have none, several, or half of one."""

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from lerobot.datasets import LeRobotDataset
from PIL import Image

from lerobot_dp_plus.demos.features import number_feature, picture_feature
from lerobot_dp_plus.demos.writer import write_dataset
from lerobot_dp_plus.notation import GAZE
from lerobot_dp_plus.seeing import detector
from lerobot_dp_plus.seeing.boxes import NOTHING, Found, gaze_of
from lerobot_dp_plus.seeing.gaze import NOTE, main
from lerobot_dp_plus.seeing.masks import Masks

IMAGE, MASK, ARRAY, STATE = "observation.images.top", "observation.images.mask", "observation.mask", "observation.state"
HEIGHT, WIDTH = 24, 32
#: Rows and columns of the target in each frame of two episodes: the third frame has none, the fourth two.
TARGETS = [[(2, 8, 4, 10)], [(10, 16, 20, 30)], [], [(0, 6, 0, 6), (10, 20, 10, 20)], [(18, 24, 28, 32)]]
BY_HAND = [
    (7 / WIDTH, 5 / HEIGHT, 3 / WIDTH),
    (25 / WIDTH, 13 / HEIGHT, 5 / WIDTH),
    NOTHING,
    (15 / WIDTH, 15 / HEIGHT, 5 / WIDTH),
    (30 / WIDTH, 21 / HEIGHT, 3 / WIDTH),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    features = {
        STATE: number_feature(["x"]),
        "action": number_feature(["x"]),
        IMAGE: picture_feature((HEIGHT, WIDTH, 3), video=False),
        MASK: picture_feature((HEIGHT, WIDTH, 3), video=False),
        ARRAY: {"dtype": "uint8", "shape": (HEIGHT, WIDTH), "names": None},
    }
    rng = np.random.default_rng(0)
    masks = np.zeros((len(TARGETS), HEIGHT, WIDTH), np.uint8)
    for frame, targets in enumerate(TARGETS):
        for top, bottom, left, right in targets:
            masks[frame, top:bottom, left:right] = 3
        masks[frame, 0, 31] = 3  # a speck
    pictures = rng.integers(0, 256, (len(TARGETS), HEIGHT, WIDTH, 3), dtype=np.uint8)
    episodes = [
        {
            **{key: rng.random((count, 1)).astype(np.float32) for key in (STATE, "action")},
            IMAGE: pictures[start : start + count],
            MASK: np.repeat((85 * masks[start : start + count])[..., None], 3, -1),
            ARRAY: masks[start : start + count],
        }
        for start, count in ((0, 3), (3, 2))
    ]
    root = tmp_path_factory.mktemp("data") / "marked"
    write_dataset(root, "made/up", 10, features, episodes, "bring the cup")
    return root


def written(root: Path) -> torch.Tensor:
    """The gaze of every frame of a copy, from LeRobot's own reader."""
    copy = LeRobotDataset("made/up", root=root)
    return torch.stack([copy[row][GAZE] for row in range(len(copy))])


@pytest.mark.parametrize("mask", [(MASK, "--value", "255"), (ARRAY,)], ids=" ".join)
def test_a_mask_becomes_the_square_around_its_pixels(mask, data, tmp_path, capsys) -> None:
    assert main([str(data), "--root", str(tmp_path / "out"), "--mask", *mask]) == 0
    torch.testing.assert_close(written(tmp_path / "out"), torch.tensor(BY_HAND))
    note = json.loads((tmp_path / "out" / NOTE).read_text())
    assert (note["frames"], note["none"], note["several"]) == (5, 1, 1)
    said = capsys.readouterr().out
    assert "4 of 5 frames have a target" in said and "1 show several, of which the surest was taken" in said
    stats = LeRobotDataset("made/up", root=tmp_path / "out").meta.stats[GAZE]
    np.testing.assert_allclose(stats["max"], np.max(BY_HAND, 0), rtol=1e-5)


def test_where_there_are_several_none_may_be_taken_and_a_former_gaze_is_replaced(data, tmp_path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    main([str(data), "--root", str(first), "--mask", MASK])  # bright pixels
    main([str(first), "--root", str(second), "--mask", MASK, "--several", "none"])
    assert written(second)[3].tolist() == list(NOTHING)
    assert torch.equal(written(second)[[0, 1, 2, 4]], written(first)[[0, 1, 2, 4]])


def test_a_box_beyond_the_picture_is_cut_or_left_out() -> None:
    counts: Counter[str] = Counter()
    beyond = Found(-8, 4, 8, 12, 0.5)
    assert gaze_of([beyond], 32, 16, "best", counts) == (4 / 32, 8 / 16, 4 / 32)
    assert gaze_of([Found(40, 0, 50, 9, 1.0)], 32, 16, "best", counts) == NOTHING
    assert gaze_of([Found(-9, -9, 99, 99, 1.0)], 32, 16, "best", counts) == (0.5, 0.5, 0.5)
    assert gaze_of([Found(3, 3, 3, 9, 1.0), beyond], 32, 16, "none", counts) == (4 / 32, 8 / 16, 4 / 32)
    assert counts == Counter(cut=3, outside=2, none=1)
    assert math.isclose(gaze_of([Found(0, 0, 4, 2, 0.1), Found(8, 8, 12, 12, 0.9)], 32, 16, "best", counts)[0], 10 / 32)


@pytest.fixture(scope="module")
def yolos(tmp_path_factory) -> Path:
    """A detector with random weights."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.YolosConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=[24, 32], patch_size=8,
        num_detection_tokens=6, id2label={0: "cup", 1: "pen"}, label2id={"cup": 0, "pen": 1},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("detector")
    transformers.YolosForObjectDetection(config).save_pretrained(folder)
    transformers.YolosImageProcessor(size={"shortest_edge": 24, "longest_edge": 32}).save_pretrained(folder)
    return folder


def test_a_detectors_surest_box_of_a_class_is_the_gaze(yolos, data, tmp_path) -> None:
    import transformers

    out = tmp_path / "out"
    main(
        [
            str(data),
            "--root",
            str(out),
            "--camera",
            IMAGE,
            "--detector",
            str(yolos),
            "--label",
            "cup",
            "--threshold",
            "0",
        ]
    )
    model = transformers.YolosForObjectDetection.from_pretrained(yolos)
    processor = transformers.YolosImageProcessor.from_pretrained(yolos)
    recorded, expected = LeRobotDataset("made/up", root=data), []
    for row in range(len(recorded)):
        picture = Image.fromarray((255 * recorded[row][IMAGE]).round().byte().movedim(0, -1).numpy())
        with torch.no_grad():
            answer = model(**processor(picture, return_tensors="pt"))
        (found,) = processor.post_process_object_detection(answer, threshold=0.0, target_sizes=[(HEIGHT, WIDTH)])
        cups = found["labels"] == 0
        best = found["scores"][cups].argmax() if cups.any() else None
        box = Found(*found["boxes"][cups][best].int().tolist(), score=1.0) if best is not None else None
        expected.append(gaze_of([box] if box else [], WIDTH, HEIGHT, "best", Counter()))
    torch.testing.assert_close(written(out), torch.tensor(expected), atol=0.02, rtol=0)
    assert (written(out)[:, 2] > 0).any()


def test_words_may_be_the_instruction(monkeypatch) -> None:
    transformers, asked = pytest.importorskip("transformers"), []

    def pipeline(task, **_):
        def find(picture, candidate_labels, threshold):
            asked.append((task, picture.size, candidate_labels, threshold))
            return [{"box": {"xmin": 1, "ymin": 2, "xmax": 5, "ymax": 9}, "score": 0.4, "label": candidate_labels[0]}]

        return find

    monkeypatch.setattr(transformers, "pipeline", pipeline)
    find = detector.Detector("some/model", IMAGE, None, "the thing to {task}", 0.2)
    sample = {IMAGE: torch.rand(3, HEIGHT, WIDTH), "task": "bring the cup"}
    assert find(sample) == [Found(1, 2, 5, 9, 0.4)] and find.size(sample) == (WIDTH, HEIGHT)
    assert asked == [("zero-shot-object-detection", (WIDTH, HEIGHT), ["the thing to bring the cup"], 0.2)]


@pytest.mark.parametrize(
    "options, message",
    [
        (
            ("--mask", MASK, "--value", "7"),
            r"no frame of .*marked shows one target, so nothing was written: lower --threshold",
        ),
        (("--mask", "nothing"), r"mask = 'nothing': .*has observation\.state"),
        (("--mask", STATE), r"mask = 'observation\.state' has shape \(1,\); must be a picture, or numbers \(H, W\)"),
        (("--detector", "DIR"), r"--detector needs one of --label, .*and --query"),
        (("--detector", "DIR", "--label", "cup", "--threshold", "2"), r"threshold = 2\.0: must be from 0 to 1"),
        (("--detector", "DIR", "--label", "cup"), r"--camera says which one"),
        (("--detector", "DIR", "--label", "dog", "--camera", IMAGE), r"label = 'dog': .*knows cup, pen"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(options, message, data, yolos, tmp_path) -> None:
    given = [str(yolos) if option == "DIR" else option for option in options]
    with pytest.raises(ValueError, match=message):
        main([str(data), "--root", str(tmp_path / "out"), *given])
    assert not list(tmp_path.iterdir())


def test_the_recording_is_never_its_own_copy(data, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"is the recording itself"):
        main([str(data), "--root", str(data), "--mask", MASK, "--overwrite"])
    with pytest.raises(FileExistsError, match=r"exists; choose another folder or pass --overwrite"):
        main([str(data), "--root", str(tmp_path), "--mask", MASK])


def test_specks_are_no_targets() -> None:
    mask = torch.zeros(8, 8, dtype=torch.int64)
    mask[0, 0] = mask[4, 4:7] = 1
    assert Masks("m")({"m": mask}) == []
    assert Masks("m", smallest=3)({"m": mask}) == [Found(4, 4, 7, 5, 3)]
