"""The sentences and table rows of a card, made from an upload folder; the template orders them."""

import json
from typing import Any

from lerobot_dp_plus.hub import card_words as words
from lerobot_dp_plus.hub.card_folder import HUB_DATASETS, Upload, Video
from lerobot_dp_plus.hub.card_markdown import Markdown, code, codes, escape, link, table, url
from lerobot_dp_plus.hub.card_results import Evaluation

UNRECORDED = "not recorded"


def summary(upload: Upload) -> Markdown:
    """What the checkpoint does, in two sentences."""
    config = upload.config
    name = words.KINDS.get(config["objective"]["type"], "policy")
    subject = words.ENVIRONMENTS.get(upload.task or upload.environment or "")
    purpose = f" for {subject}," if subject else f" for {code(upload.environment)}" if upload.environment else ""
    states = any(kind != "VISUAL" for direction, _, kind, _ in upload.features if direction == "in")
    seen = ["camera images"] * upload.has_cameras + ["states"] * states + ["an instruction"] * upload.reads_words
    draws = "predicts" if "selection" in words.unused(config) else "samples"
    frames = config["n_obs_steps"]
    last = "the last observation" if frames == 1 else f"the last {frames} observations"
    rate = f" at {config['fps']} Hz" if config.get("fps") else ""
    return Markdown(
        f"A {name}{purpose} that acts on {_listed(seen)}{'' if upload.has_cameras else ', without a camera'}. "
        f"From {last} it {draws} a chunk of {config['horizon']} actions, executes {config['n_action_steps']} of them{rate}, "
        f"looks again and {draws} anew."
    )


def _listed(names: list[str]) -> str:
    """a, b and c."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def headline(upload: Upload) -> Markdown:
    """The figure a reader looks for first: of the evaluation with the most episodes."""
    if not upload.evaluations:
        return Markdown("Not evaluated; the command that does it is under Results.")
    entry = max(upload.evaluations, key=lambda evaluation: evaluation.episodes)
    low, high = entry.interval_percent
    return Markdown(
        f"Success in {escape(where(upload))}: **{entry.success_percent:.1f} %** of {entry.episodes} episodes "
        f"(95 % interval {low:.1f}–{high:.1f} %)."
    )


def horizon_words(upload: Upload) -> str:
    """Horizons and the frame rate."""
    config = upload.config
    fps, executed, seen = config.get("fps"), config["n_action_steps"], config["n_obs_steps"]
    begin = f"the oldest of the {seen} observations (T_o)" if seen > 1 else "the current step"
    rate = (
        f", {executed / fps:g} s at the data's {fps} frames per second" if fps else "; the frame rate is not recorded"
    )
    return (
        f"A chunk begins with {begin} and has {config['horizon']} actions (T_p); {executed} are executed (T_a) from the "
        f"current step on{rate}."
    )


def features(upload: Upload) -> Markdown:
    """The table of observations and actions."""
    mapping = upload.config.get("normalization_mapping") or {}
    imagenet = bool((upload.training.get("dataset") or {}).get("use_imagenet_stats"))
    rows = []
    for direction, name, kind, shape in upload.features:
        meaning = words.units(upload.environment, name, shape, kind)
        normalised = words.normalisation(kind, mapping, imagenet)
        rows.append((direction, code(name), " × ".join(map(str, shape)), meaning, normalised))
    return table(("way", "feature", "shape", "what, in which units", "normalised to"), rows)


def estimated_words(upload: Upload) -> Markdown | None:
    """What was known in training and is not in use, which other policies' figures may have done without."""
    names = [code(name) for direction, name, _, _ in upload.features if direction == "estimated"]
    if not names:
        return None
    return Markdown(
        f"{' and '.join(names)} was known in training only. In use it is neither needed nor looked at: it is read off the "
        "pictures."
    )


def told_words(upload: Upload) -> Markdown | None:
    """Sentences that it was trained with; others may mean nothing to it."""
    if not upload.told:
        return None
    said = "; ".join(f"“{escape(sentence)}”" for sentence in upload.told)
    return Markdown(f"It is told what to do, in sentences such as {said}.")


def axes(upload: Upload) -> Markdown:
    """The table of axes."""
    rows, unused = [], words.unused(upload.config)
    for axis in words.AXES:
        part = upload.config.get(axis)
        if part is None or axis in unused or (axis == "image_encoder" and not upload.has_cameras):
            continue
        what = words.MEMBERS.get((axis, part["type"]), "")
        if axis == "sampler" and (calls := words.network_calls(part)) is not None:
            what += f"; {calls} network calls a chunk"
        rows.append((axis.replace("_", " "), code(part["type"]), Markdown(what), codes(fields(part))))
    for name, term in (upload.config.get("energies") or {}).items():
        if term.get("weight"):
            rows.append(("energy", code(name), Markdown(words.ENERGIES.get(name, "")), codes(fields(term))))
    return table(("axis", "member", "what", "fields"), rows)


def fields(part: dict[str, Any], prefix: str = "") -> list[str]:
    """Fields of a part but its type, as on the command line: path.type=squared_cosine."""
    lines = []
    for key, value in part.items():
        if isinstance(value, dict):
            lines += fields(value, f"{prefix}{key}.")
        elif prefix or key != "type":
            lines.append(f"{prefix}{key}={value if isinstance(value, str) else json.dumps(value)}")
    return lines


def training(upload: Upload) -> Markdown | None:
    """The table of the training; None where train_config.json is missing."""
    run, publication, config = upload.training, upload.publication, upload.config
    if not run:
        return None
    dataset, optimizer, scheduler = (run.get(key) or {} for key in ("dataset", "optimizer", "scheduler"))
    ema, base, seconds = config.get("ema") or {}, publication.base_model, publication.train_seconds
    steps = f"{run['steps']:,}" if isinstance(run.get("steps"), int) else UNRECORDED
    if publication.step is not None and publication.step != run.get("steps"):
        steps = f"{publication.step:,} of {steps}"
    rows: list[tuple[str, Any]] = [
        ("data", _data(upload)),
        ("licence of the data", publication.dataset_license or UNRECORDED),
        ("updates", steps),
        ("batch size", run.get("batch_size")),
        ("optimizer", _settings(optimizer)),
        ("learning rate schedule", _settings(scheduler)),
        ("seed", run.get("seed")),
        ("precision", config.get("dtype")),
        ("averaged weights (EMA)", f"decay {ema['decay']:g}; the average is what acts" if ema.get("enabled") else "no"),
        (
            "image augmentation",
            "LeRobot's image transforms" if (dataset.get("image_transforms") or {}).get("enable") else None,
        ),
        ("fine-tuned from", base and link(base, f"https://huggingface.co/{base}")),
        ("wall clock", None if seconds is None else f"{seconds / 60:.1f} minutes"),
        ("hardware", publication.training_hardware),
    ]
    return table(("setting", "value"), [(what, value) for what, value in rows if value is not None])


def _data(upload: Upload) -> Markdown:
    publication, dataset = upload.publication, upload.training.get("dataset") or {}
    name, repository = dataset.get("repo_id"), upload.hub_dataset
    if repository:
        shown = link(repository, HUB_DATASETS + repository)
    elif publication.dataset_url:
        shown = link(str(name), publication.dataset_url)
    else:
        shown = Markdown(f"{code(name)}, a local dataset" if name else UNRECORDED)
    parts = [shown]
    if dataset.get("revision"):
        parts.append(Markdown(f"revision {code(dataset['revision'])}"))
    if dataset.get("episodes") is not None:
        parts.append(Markdown(f"{len(dataset['episodes']):,} of its episodes"))
    for count, what in ((publication.dataset_episodes, "episodes"), (publication.dataset_frames, "frames")):
        if count is not None:
            parts.append(Markdown(f"{count:,} {what}"))
    return Markdown(", ".join(parts))


def _settings(part: dict[str, Any]) -> Markdown | None:
    if not part:
        return None
    return codes([part.get("type"), *fields(part)])


def results(upload: Upload) -> Markdown:
    """The table of results."""
    rows = []
    scored = any(entry.score is not None for entry in upload.evaluations)
    for entry in upload.evaluations:
        value = entry.score if entry.score is not None else entry.mean_best_reward
        seeds = f"{entry.seeds[0]}–{entry.seeds[1]}" if entry.seeds else UNRECORDED
        success = Markdown(f"**{entry.success_percent:.1f} %** ({entry.successes} of {entry.episodes})")
        interval = "{:.1f}–{:.1f} %".format(*entry.interval_percent)
        score = UNRECORDED if value is None else f"{value:.3f}"
        rows.append((where(upload), entry.episodes, seeds, success, interval, score))
    last = "score" if scored else "mean best reward"
    return table(("evaluation", "episodes", "seeds", "success", "95 % interval", last), rows)


def where(upload: Upload) -> str:
    """The evaluation's environment, for a reader."""
    name = upload.task or upload.environment
    return words.TITLES.get(name or "", name or "environment not recorded")


def result_words(upload: Upload) -> Markdown:
    """How to read the table of results."""
    success = "Success is LeRobot's"
    if upload.environment == "pusht":
        success += ": coverage above 95 % within the episode; score is the mean over episodes of the best coverage ÷ 0.95, at most 1"
    else:
        success += "; the last column is the mean over episodes of the largest reward of a step"
    sentences = [f"{success}. The interval is Wilson's, of the episodes' outcomes."]
    if upload.episodes is not None and len(upload.episodes.tasks) > 1:
        parts = [f"{escape(group)} {sum(outcomes)} of {len(outcomes)}" for group, outcomes in upload.episodes.tasks]
        sentences.append(f"By task: {', '.join(parts)}.")
    if any(entry.weights_sha256 is None for entry in upload.evaluations):
        sentences.append("Which weights were evaluated is not recorded.")
    return Markdown(" ".join(sentences))


def latency_words(upload: Upload) -> Markdown:
    """How long a chunk takes."""
    timed: Evaluation | None = next((entry for entry in upload.evaluations if entry.latency_ms is not None), None)
    if timed is None:
        command = " `dp-plus evaluate --policy FOLDER` measures it." if upload.environment == "pusht" else ""
        return Markdown(f"Not measured.{command}")
    tail = f" (90th percentile {timed.latency_p90_ms:.1f} ms)" if timed.latency_p90_ms is not None else ""
    device = f", on {code(timed.device)}" if timed.device else ""
    hardware = upload.publication.latency_hardware
    return Markdown(
        f"{timed.latency_ms:.1f} ms a chunk{tail}, from observation in to action out at batch 1{device}. "
        f"Hardware: {escape(hardware or UNRECORDED)}."
    )


def limits(upload: Upload) -> list[Markdown]:
    """What the figures do not say."""
    found = ["It imitates its demonstrations, their mistakes and habits included, and knows nothing outside of them."]
    if upload.evaluations:
        found.append(
            f"The results are for {escape(where(upload))} as LeRobot makes it; they say nothing about other start states, other "
            "tasks or a physical robot."
        )
    else:
        found.append("Nothing has been measured on it.")
    found.append(
        "Actions are not checked for collisions, joint limits or speed; that is for the robot's own safety layer."
    )
    if upload.config.get("fps"):
        found.append(f"It expects observations and plays actions at {upload.config['fps']} Hz.")
    if upload.training and not upload.publication.dataset_license:
        found.append("The licence of the training data is not recorded; ask before building on it.")
    return [Markdown(text) for text in found]


def caption(video: Video) -> str:
    """What a film shows, as far as is known."""
    if video.success is None:
        return "An episode of this policy."
    seed = f", seed {video.seed}" if video.seed is not None else ""
    return f"Episode {video.episode}{seed}: {'success' if video.success else 'failure'}."


def video_source(upload: Upload, video: Video) -> Markdown:
    """Where a page finds the film: pages of the Hub need the whole address."""
    repository = upload.publication.repo_id
    return url(f"https://huggingface.co/{repository}/resolve/main/{video.path}" if repository else video.path)


def version_words(upload: Upload) -> Markdown:
    """Versions, licence and the weights' digest."""
    publication = upload.publication
    known = [
        f"{name} {escape(value)}"
        for name in ("lerobot_policy_dp_plus", "lerobot", "torch", "python")
        if (value := getattr(publication, name)) is not None
    ]
    sentences = [f"Made with {', '.join(known)}." if known else "The versions behind it are not recorded."]
    licence = publication.license
    sentences.append(
        f"Licence of the weights: {escape(licence)}." if licence else "No licence of the weights is stated."
    )
    if publication.weights_sha256:
        sentences.append(f"SHA-256 of model.safetensors: {code(publication.weights_sha256)}.")
    return Markdown(" ".join(sentences))
