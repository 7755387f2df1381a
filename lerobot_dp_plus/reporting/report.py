"""`dp-plus report DIR`: a training or an evaluation as one page, and its figures in the terminal."""

from collections.abc import Sequence

from lerobot_dp_plus.evaluation.report import print_report, read_report, write_report
from lerobot_dp_plus.hub.card_results import EVAL_INFO
from lerobot_dp_plus.reporting.found import look
from lerobot_dp_plus.reporting.options import report_parser
from lerobot_dp_plus.reporting.page import write_page


def main(argv: Sequence[str]) -> int:
    """`dp-plus report DIR [--output FILE] [--seed N] [--json report.json]`."""
    options = report_parser().parse_args(argv)
    folder = options.folder if options.folder.is_dir() else options.folder.parent
    if not options.folder.exists():
        raise FileNotFoundError(f"{options.folder} does not exist; expected a folder of a training or an evaluation")
    found = look(folder)
    if found.evaluation is not None and (found.evaluation / EVAL_INFO).is_file():
        seeds = found.report.get("seeds")
        first = options.seed if options.seed is not None or not seeds else seeds[0]
        report = read_report(found.evaluation / EVAL_INFO, first_seed=first)
        print_report(report)
        if options.json:
            write_report(report, options.json)
    elif options.json:
        raise ValueError(f"json = {options.json}: {folder} holds no evaluation whose figures could be written")
    print(f"open {write_page(options.output or folder / 'report.html', found)}")
    return 0
