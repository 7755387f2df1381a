"""`dp-plus doctor DATASET`: what is wrong with a recording and what to set, in the terminal and as one page."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from lerobot_dp_plus.doctor.charts import draw
from lerobot_dp_plus.doctor.examine import examined, finite_part, watched
from lerobot_dp_plus.doctor.finding import Finding, Gravity, gravest
from lerobot_dp_plus.doctor.footage import look
from lerobot_dp_plus.doctor.options import doctor_parser
from lerobot_dp_plus.doctor.overfit import FEWEST, Run, middle_episode, overfit
from lerobot_dp_plus.doctor.page import write_page
from lerobot_dp_plus.doctor.recording import Recording, read
from lerobot_dp_plus.doctor.suggestion import Suggestion, suggest
from lerobot_dp_plus.doctor.terminal import show
from lerobot_dp_plus.doctor.trial import Pace, pace, training_config
from lerobot_dp_plus.hub.files import write_whole


def main(argv: Sequence[str], run: Run) -> int:
    """Examine, suggest, measure, write; and train on one episode, if asked."""
    options, flags = doctor_parser().parse_known_args(argv)
    if options.updates < FEWEST:
        raise ValueError(f"updates = {options.updates}: must be at least {FEWEST}; fewer say nothing")
    if options.minutes <= 0:
        raise ValueError(f"minutes = {options.minutes:g}: must be more than 0")
    console = Console()
    recording = read(options.dataset, pictures=not options.no_pictures)
    if options.episode is not None and options.episode not in recording.episodes:
        last = recording.episodes.max()
        raise ValueError(f"episode = {options.episode}: {options.dataset} has episodes 0 to {last}")
    output = options.output or Path("outputs/doctor") / (Path(options.dataset).resolve().name or "dataset")
    with console.status("looking"):
        findings = examined(recording)
        looks = [] if options.no_pictures else look(recording)
        findings = gravest(findings + watched(recording, looks))
    recording = finite_part(recording)
    kind, flags = policy_type(flags)
    suggestion = suggest(recording, kind)
    file = write_whole(output / "train.json", suggestion.text)
    episode = middle_episode(recording) if options.episode is None else options.episode
    training_config(file, flags, episode)  # an option that is none is refused whether or not it is needed
    measured: Pace | None = None
    if recording.action is None and options.overfit:
        raise ValueError(f"{options.dataset} has no action, so there is nothing to learn")
    if recording.action is not None and (options.overfit or not options.no_measure):
        with console.status("timing a few updates"):
            measured = pace(file, flags, episode)
    why = [*suggestion.why, *([measured.said] if measured else [])]
    show(findings, console)
    command = " ".join(["lerobot train", f"--config_path={file}", *suggestion.flags, *flags])
    console.print("\nA training that this recording suggests", style="bold")
    for line in why:
        console.print(f"  • {line}", markup=False, highlight=False)
    console.print(f"  {command}", style="bold cyan", markup=False, highlight=False, soft_wrap=True)
    chapters = draw(recording, looks, output)
    page = write_page(output / "index.html", recording.name, findings, command, why, suggestion.text, chapters)
    write_whole(output / "doctor.json", told(recording, findings, suggestion, measured))
    console.print(f"\nopen {page}", markup=False, highlight=False)
    if options.overfit:
        assert measured is not None
        updates = max(FEWEST, min(options.updates, int(60 * options.minutes * measured.updates_per_second)))
        console.print(f"\nOverfit: {updates} updates on episode {episode}", style="bold")
        result = overfit(recording, file, flags, episode, updates, output, run)
        console.print(result.said, style="bold green" if result.learned else "bold red", markup=False, highlight=False)
        console.print(
            f"more of it: dp-plus offline {result.folder} {options.dataset} --episodes {episode}", markup=False
        )
    return 0


def policy_type(flags: Sequence[str]) -> tuple[str | None, list[str]]:
    """The last `--policy.type=…` of some flags, and the other flags: the type decides what is suggested."""
    named = [each.partition("=")[2] for each in flags if each.startswith("--policy.type=")]
    return named[-1] if named else None, [each for each in flags if not each.startswith("--policy.type=")]


def told(recording: Recording, findings: list[Finding], suggestion: Suggestion, measured: Pace | None) -> str:
    """All of it as JSON."""
    content = {
        "recording": recording.name,
        "episodes": len(recording.episodes),
        "frames": len(recording),
        "fps": recording.fps,
        "findings": [
            {**asdict(each), "gravity": Gravity(each.gravity).said, "facts": dict(each.facts)} for each in findings
        ],
        "suggestion": suggestion.training,
        "why": list(suggestion.why),
        "picture_bytes": suggestion.frame_bytes,
        "measured": asdict(measured) if measured else None,
    }
    return json.dumps(content, indent=1, default=str) + "\n"
