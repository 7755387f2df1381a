"""Draws the pictures of `docs/pictures/` again from the results that are kept: `python -m benchmarks.redraw [NAME …]`.

Nothing is measured. The picture of the baselines is missing here: its chunks are drawn from trained policies.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from matplotlib.figure import Figure

from benchmarks import few_calls, figures, figures_quality, loading, long_run, pusht_quality, realtime
from benchmarks.common import RESULTS, picture_of, write_figure


def _by_name(result: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    return [list(rows) for _, rows in groupby(result["rows"], key=lambda row: row["name"])]


def _quality(result: Mapping[str, Any]) -> Figure:
    config = result["config"]
    return figures_quality.quality(_by_name(result), result["limit_percent"], config, **pusht_quality.longer(config))


def _study_equal(result: Mapping[str, Any]) -> Figure:
    told = "2,500 updates, 100 episodes a seed; ends weighted equally, as before this study; dashed: the recipe"
    return figures_quality.study(_by_name(result), told)


#: From a result to its picture, by the name of both.
DRAWN: dict[str, Callable[[dict[str, Any]], Figure]] = {
    "few_calls": lambda result: few_calls.draw(result["rows"]),
    "latency": figures.latency,
    "loading": lambda result: figures.loading(result, loading.TITLES),
    "long_run": lambda result: long_run.draw(result["curves"], result["pace"]),
    "pusht_pixels": _quality,
    "pusht_quality": _quality,
    "pusht_study_equal": _study_equal,
    "realtime": lambda result: realtime.draw(result["result"]),
    "training": figures.training,
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redraw", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DRAWN)}; all of them")
    names = parser.parse_args(argv).names or list(DRAWN)
    if unknown := sorted(set(names) - set(DRAWN)):
        parser.error(f"{', '.join(unknown)}: legal are {', '.join(DRAWN)}")
    for name in names:
        kept = RESULTS / f"{name}.json"
        write_figure(DRAWN[name](json.loads(kept.read_text())), picture_of(kept))
        print(picture_of(kept))


if __name__ == "__main__":
    main()
