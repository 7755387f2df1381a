"""Success under every level of what makes it harder: `dp-plus evaluate CHECKPOINT --perturb delay=0,1,2,4`.

Every level is played on the same environment seeds, kept like any evaluation, and gone on with after a stop. The result is
`robustness.json`, a row for each level with Wilson's interval; `dp-plus report` draws the curves with their bands.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lerobot_dp_plus.evaluation.evaluate import eval_arguments, facts_of
from lerobot_dp_plus.evaluation.folders import ROBUSTNESS, pretrained_folder, weights_digest
from lerobot_dp_plus.evaluation.perturbing import Perturbation
from lerobot_dp_plus.evaluation.playing import finished, prepared
from lerobot_dp_plus.evaluation.summary import rate
from lerobot_dp_plus.hub.files import write_whole


def robustness(
    policy: Path,
    output_dir: Path,
    asked: Sequence[Perturbation],
    episodes: int,
    first_seed: int,
    extra: Sequence[str] = (),
    workers: int | None = None,
) -> list[dict[str, Any]]:
    """Play `episodes` under each perturbation; a dict for each with its name, level and rate.

    Raises:
        FileNotFoundError: no policy. ValueError: the policy does not fit its environment or a switch.
    """
    folder, console = pretrained_folder(policy), Console()
    weights, rows = weights_digest(folder), []
    for each in asked:
        arguments = eval_arguments(folder, output_dir, episodes, first_seed, [*extra, *each.switches()])
        facts = facts_of(weights, arguments) | ({"perturbed": [each.label, each.level]} if not each.switches() else {})
        console.print(f"{each.label} = {each.level:g}", style="bold")
        player, batches, parts = prepared(arguments, output_dir, facts, perturbation=each)
        try:
            for _ in finished(batches, parts, player, workers, False, console):
                pass
        finally:
            player.close()
        successes = [episode["success"] for batch in batches for episode in parts.read(batch)]
        rows.append(
            {"name": each.label, "level": each.level, "unit": each.unit, **rate(sum(successes), len(successes))}
        )
    told = {
        "weights_sha256": weights,
        "episodes": episodes,
        "first_seed": first_seed,
        "extra": list(extra),
        "rows": rows,
    }
    write_whole(output_dir / ROBUSTNESS, json.dumps(told, indent=2) + "\n")
    return rows
