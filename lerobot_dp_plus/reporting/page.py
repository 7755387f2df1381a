"""The page: what was found, drawn and sorted, in a file that needs no other."""

import base64
import json
from pathlib import Path
from typing import Any

import jinja2

from lerobot_dp_plus.hub.files import write_whole
from lerobot_dp_plus.hub.intervals import wilson_percent
from lerobot_dp_plus.reporting.charts import charts, robustness
from lerobot_dp_plus.reporting.curves import curves
from lerobot_dp_plus.reporting.found import Found
from lerobot_dp_plus.reporting.gallery import shelves
from lerobot_dp_plus.reporting.metric_words import meaning

TEMPLATE = Path(__file__).with_name("page.html.jinja")
#: Means of summary.json that are shown, with their units.
MEANS = {
    "best": "best coverage, or share of the task's reward",
    "final": "the same at the end",
    "steps_to_success": "control steps to success",
    "path_length": "path of the robot, units of its state",
    "jerk": "jerk of the robot, units a second cubed",
    "collisions": "collisions an episode",
}


def write_page(path: Path, found: Found) -> Path:
    """Write the page."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return write_whole(path, page.render(**told(found)))


def told(found: Found) -> dict[str, Any]:
    """Everything that the template shows."""
    episodes = found.episodes
    logged = list(dict.fromkeys(name for line in found.metrics for name in line if name != "step"))
    return {
        "name": found.name,
        "about": _about(found),
        "headline": headline(found),
        "learning": curves(found.metrics),
        "meanings": [(name, meaning(name)) for name in logged],
        "ending": charts(episodes, found.latency) if episodes else [],
        "means": list(_means(found)),
        "shelves": shelves(episodes, found.films) if episodes else [],
        "robustness": robustness(found.robustness),
        "picture": _png(found.picture) if found.picture else "",
        "versions": list(found.versions.items()),
        "commands": found.commands,
        "config": _indented(found.config),
        "train_config": _indented(found.train_config),
        "missing": list(_missing(found)),
    }


def headline(found: Found) -> tuple[str, str]:
    """The rate, and how sure it is."""
    if not found.episodes:
        return "", ""
    count, total = sum(each["success"] for each in found.episodes), len(found.episodes)
    low, high = wilson_percent(count, total)
    return (
        f"{100 * count / total:.1f} % success",
        f"{count} of {total} episodes; 95 % interval {low:.1f} to {high:.1f} %",
    )


def _about(found: Found) -> str:
    parts = [str(found.config.get("type", "")), f"step {found.step:,}" if found.step is not None else ""]
    seeds = found.report.get("seeds")
    parts.append(f"in {found.report['environment']}" if found.report.get("environment") else "")
    parts.append(f"environment seeds {seeds[0]} to {seeds[1]}" if seeds else "")
    return ", ".join(part for part in parts if part)


def _means(found: Found) -> Any:
    for name, words in MEANS.items():
        mean = found.summary.get("means", {}).get(name)
        if mean:
            interval = mean["interval"]
            around = f"{interval[0]:.4g} to {interval[1]:.4g}" if interval else "no spread"
            yield words, f"{mean['mean']:.4g}", around
    report = found.report
    if report.get("latency_ms") is not None:
        rare = report.get("latency_p99_ms") or report.get("latency_p90_ms")
        yield (
            f"milliseconds a chunk, alone, on {report.get('device')}",
            f"{report['latency_ms']:.1f}",
            f"p99 {rare:.1f}",
        )


def _missing(found: Found) -> Any:
    if not found.metrics:
        yield "No learning curves: there is no metrics.jsonl, which trainings of this package write."
    if not found.episodes:
        yield "No evaluation: dp-plus evaluate makes one, and this page then shows it."
    elif not found.films:
        yield "No films lie in the evaluation's folder."


def _png(file: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"


def _indented(content: Any) -> str:
    return json.dumps(content, indent=2) if content else ""
