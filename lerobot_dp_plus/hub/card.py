"""Model cards: a pure function of an upload folder's files.

    render_card(folder) -> README.md      template card.md.jinja, sentences card_text.py, commands card_use.py

`python -m lerobot_dp_plus.hub.card FOLDER` renders README.md in place; `--check` compares instead. A figure that no file
of the folder holds cannot get into the card.
"""

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from lerobot_dp_plus.hub import card_text as text
from lerobot_dp_plus.hub import card_use as use
from lerobot_dp_plus.hub.card_folder import Upload
from lerobot_dp_plus.hub.card_markdown import Markdown, page
from lerobot_dp_plus.hub.card_words import KINDS, citations, unused
from lerobot_dp_plus.hub.files import write_whole
from lerobot_dp_plus.hub.publication import Publication

CARD = "README.md"
TEMPLATE = Path(__file__).with_name("card.md.jinja")
#: What of an upload the template shows, by these names.
PARTS: tuple[Callable[[Upload], Any], ...] = (
    *(text.summary, text.headline, text.features, text.horizon_words, text.estimated_words, text.told_words, text.axes),
    *(text.training, text.results, text.result_words, text.latency_words, text.limits),
    *(text.version_words, use.install_lines, use.report_command, use.python_lines),
)


def render_card(folder: Path, repo_id: str | None = None) -> str:
    """The README.md of the checkpoint in `folder`, front matter included.

    Args:
        repo_id: where it is published; by default what publication.json says.

    Raises:
        FileNotFoundError: no config.json.
        ValueError: a file of the folder is damaged or contradicts another; named.
    """
    upload = Upload.read(folder, repo_id)
    publication = upload.publication
    evaluating = use.eval_command(upload)
    values = {
        "title": upload.title,
        "note": None if publication.note is None else Markdown(publication.note),
        "picture": upload.picture,
        "videos": [{"source": text.video_source(upload, one), "caption": text.caption(one)} for one in upload.videos],
        "environment": upload.environment,
        "type": upload.config["type"],
        "has_cameras": upload.has_cameras,
        "switchable": upload.config["objective"]["type"] in KINDS and "sampler" not in unused(upload.config),
        "parameters": publication.parameters,
        "selection_rule": publication.selection_rule,
        "use_command": evaluating if upload.environment else use.rollout_command(upload),
        "eval_command": evaluating,
        "citations": citations(upload.config, publication.lerobot_policy_dp_plus),
    }
    return page(TEMPLATE, metadata(upload), values | {part.__name__: part(upload) for part in PARTS})


def metadata(upload: Upload) -> ModelCardData:
    """The front matter: what the Hub's search and leaderboards read."""
    publication = upload.publication
    kind = KINDS.get(upload.config["objective"]["type"], "").removesuffix(" policy")
    tags = ["robotics", "lerobot", "lerobot_dp_plus", upload.config["type"], "imitation-learning"]
    tags += [f"{kind}-policy"] if kind == "diffusion" else [kind] if kind else []
    tags += [upload.environment] if upload.environment else []
    return ModelCardData(
        license=publication.license,
        library_name="lerobot",
        pipeline_tag="robotics",
        tags=tags,
        datasets=[upload.hub_dataset] if upload.hub_dataset else None,
        base_model=publication.base_model,
        model_name=upload.title if upload.evaluations else None,  # it names the model-index and has no other place
        eval_results=eval_results(upload) or None,
    )


def eval_results(upload: Upload) -> list[EvalResult]:
    """The figures of every evaluation, unrounded, as they go into the model-index."""
    results = []
    for entry in upload.evaluations:
        low, high = entry.interval_percent
        seeds = {"first_seed": entry.seeds[0], "last_seed": entry.seeds[1]} if entry.seeds else {}
        figures = [
            (
                "success_rate",
                "success rate in percent",
                entry.success_percent,
                {"successes": entry.successes, "wilson_95_low": low, "wilson_95_high": high},
            ),
            ("score", "mean best coverage over 0.95, at most 1", entry.score, None),
            ("mean_best_reward", "mean over episodes of the best reward", entry.mean_best_reward, None),
        ]
        results += [
            EvalResult(
                task_type="robotics",
                task_name=text.where(upload),
                dataset_type=upload.environment or "unknown",
                dataset_name=text.where(upload),
                dataset_config=f"seeds {entry.seeds[0]}-{entry.seeds[1]}" if entry.seeds else entry.file,
                dataset_args={"episodes": entry.episodes, **seeds},
                metric_type=metric,
                metric_name=name,
                metric_value=value,
                metric_args=details,
            )
            for metric, name, value, details in figures
            if value is not None
        ]
    return results


def write_card(folder: Path, repo_id: str | None = None) -> Path:
    """Renders `folder`'s README.md, complete or not at all; a `repo_id` is kept in publication.json. Returns its path."""
    if repo_id is not None:
        replace(Publication.read(folder), repo_id=repo_id).write(folder)
    return write_whole(folder / CARD, render_card(folder))


def difference(folder: Path) -> str:
    """What rendering `folder`'s README.md again would change, as a unified diff; empty if nothing."""
    file = folder / CARD
    stored = file.read_text(encoding="utf-8") if file.is_file() else ""
    lines = (stored.splitlines(keepends=True), render_card(folder).splitlines(keepends=True))
    return "".join(difflib.unified_diff(*lines, fromfile=str(file), tofile="rendered again"))


def main(argv: Sequence[str]) -> int:
    """`python -m lerobot_dp_plus.hub.card FOLDER … [--repo-id USER/NAME] [--check]`."""
    parser = argparse.ArgumentParser(
        prog="python -m lerobot_dp_plus.hub.card", description="Render a checkpoint's README.md from its files."
    )
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="FOLDER", help="checkpoint folder, see hub_cards/README.md"
    )
    parser.add_argument("--repo-id", help="its Hub repository; kept in publication.json")
    parser.add_argument("--check", action="store_true", help="compare only; exit status 1 and a diff if it differs")
    options = parser.parse_args(argv)
    if options.repo_id and (options.check or len(options.folders) > 1):
        parser.error("--repo-id is for writing one card")
    try:
        differences = [difference(folder) for folder in options.folders] if options.check else []
        if not options.check:
            for folder in options.folders:
                print(write_card(folder, options.repo_id))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("".join(differences), end="")
    return int(any(differences))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
