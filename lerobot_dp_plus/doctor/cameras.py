"""Cameras that are black, that froze, or that give fewer new pictures than frames are recorded."""

import numpy as np

from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.footage import Look
from lerobot_dp_plus.doctor.recording import Recording
from lerobot_dp_plus.policies.dataset_remarks import spans

NAME = "cameras"
#: A black picture has no brighter mean and no more contrast (of 255).
DARK, FLAT = 12.0, 6.0
#: A pixel has changed if it differs by as much; a picture has, if this share of its pixels has.
CHANGED, SHARE = 12, 2e-4
#: Share of repeated neighbours from which a camera is slow.
SLOW = 0.25


def examine(recording: Recording, looks: list[Look]) -> list[Finding]:
    """Black, frozen and slow cameras, with the episodes."""
    findings = []
    for camera in recording.cameras:
        own = [each for each in looks if each.camera == camera]
        dark = [each.episode for each in own if not each.neighbours and is_black(each)]
        still = {each.episode: frozen_from(each) for each in own if not each.neighbours and each.episode not in dark}
        frozen = {episode: start for episode, start in still.items() if start is not None}
        looked = len({each.episode for each in own})
        if dark:
            findings.append(
                Finding(
                    NAME,
                    Gravity.GRAVE,
                    f"{camera} is black in {spans(dark)}, of {looked} episodes looked at.",
                    "Was the lens covered or the camera taken by another program? Leave these episodes or the camera out.",
                    {"camera": camera, "black": dark},
                )
            )
        if frozen:
            told = ", ".join(
                f"{episode} (from frame {start} on at the latest)" for episode, start in list(frozen.items())[:3]
            )
            findings.append(
                Finding(
                    NAME,
                    Gravity.GRAVE,
                    f"{camera} shows the same picture while the robot moves, in {len(frozen)} of {looked} episodes looked at: "
                    f"episode {told}.",
                    "The camera stopped, or it does not look at what moves. Leave these episodes or the camera out.",
                    {"camera": camera, "frozen": frozen},
                )
            )
        share = repeated([each for each in own if each.episode not in {*dark, *frozen}])
        if share > SLOW:
            findings.append(
                Finding(
                    NAME,
                    Gravity.GRAVE if share > 0.6 else Gravity.NOTE,
                    f"{camera} repeats {100 * share:.0f} % of its pictures in motion: it holds about {recording.fps * (1 - share):.0f} new ones "
                    f"a second, and {recording.fps:g} frames are recorded.",
                    "Set the camera's own rate; darkness makes cameras slower, too. If the camera is fast enough, the video encoder "
                    "has left small motion out: record with --dataset.rgb_encoder.vcodec=h264 or a lower "
                    "--dataset.rgb_encoder.crf.",
                    {"camera": camera, "repeated": share},
                )
            )
    if not findings and recording.cameras and looks:
        pictures = sum(len(each.pictures) for each in looks)
        shapes = ", ".join(f"{key} {shape[0]}×{shape[1]}" for key, shape in recording.cameras.items())
        findings.append(Finding(NAME, Gravity.FINE, f"{pictures} pictures looked at, none black or frozen ({shapes})."))
    return findings


def is_black(seen: Look) -> bool:
    """Whether nearly all frames are dark and without contrast."""
    flat = seen.pictures.reshape(len(seen.pictures), -1).astype(float)
    return bool(((flat.mean(1) < DARK) & (flat.std(1) < FLAT)).mean() > 0.9)


def changed(pictures: np.ndarray) -> np.ndarray:
    """The share of pixels (n − 1,) that differ between each picture of (n, h, w, 3) and the next."""
    apart = np.abs(np.diff(pictures.astype(int), axis=0)).max(3)
    return (apart > CHANGED).mean((1, 2))


def frozen_from(seen: Look) -> int | None:
    """The frame from which on pictures stay the same although the robot moves; None unless the last three do."""
    same = changed(seen.pictures) < SHARE
    run = 0
    while run < len(same) and same[-1 - run]:
        run += 1
    if run < 2 or not seen.moves[len(same) - run :].any():
        return None
    return int(seen.frames[len(same) - run])


def repeated(looks: list[Look]) -> float:
    """The share of neighbouring frames that are the same while the robot moves; 0 where nothing tells."""
    pairs = [changed(each.pictures)[each.moves] < SHARE for each in looks if each.neighbours]
    every = np.concatenate(pairs) if pairs else np.zeros(0, bool)
    return float(every.mean()) if len(every) >= 8 else 0.0
