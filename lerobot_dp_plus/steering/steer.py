"""`dp-plus steer CHECKPOINT`: the page, or a recording played again."""

import webbrowser
from collections.abc import Sequence
from pathlib import Path

import torch

from lerobot_dp_plus.evaluation.folders import pretrained_folder, weights_digest
from lerobot_dp_plus.evaluation.moment import load
from lerobot_dp_plus.steering.options import steer_parser
from lerobot_dp_plus.steering.record import Recorder, Recording, play
from lerobot_dp_plus.steering.server import Server
from lerobot_dp_plus.steering.session import Session

#: Most that actions may differ where a recording is played again, in the data's units.
EQUAL = 1e-6


def replay(file: Path, checkpoint: Path | None) -> int:
    """Plays a recording again and says how it went; the exit status is 1 if an action differs.

    Raises:
        FileNotFoundError, ValueError: there is no recording, or it is of other weights.
    """
    recording = Recording.read(file)
    folder = pretrained_folder(checkpoint or Path(recording.head["checkpoint"]))
    if weights_digest(folder) != recording.head["weights_sha256"]:
        raise ValueError(f"{file} was recorded with other weights than those in {folder}; name the checkpoint it was")
    played = play(load(folder), recording)
    same = played.difference <= EQUAL
    said = "the same actions" if same else "other actions"
    print(f"{file}: {played.steps} steps, {said} (largest difference {played.difference:.2g})")
    return 0 if same else 1


def main(argv: Sequence[str]) -> int:
    """`dp-plus steer CHECKPOINT [--seed N] [--port P] [--record FILE]`, or `dp-plus steer --replay FILE`."""
    options = steer_parser().parse_args(argv)
    if options.replay is not None:
        return replay(options.replay, options.checkpoint)
    folder = pretrained_folder(options.checkpoint)
    loaded = load(folder)
    torch.set_num_threads(1)  # chunks are small: more threads only wait for each other
    session = Session(loaded, options.seed, options.candidates, options.way)
    server = Server(session, options.port)
    recorder = None
    try:
        if options.record is not None:
            head = {"checkpoint": str(folder), "weights_sha256": weights_digest(folder), "env": options.env}
            head |= {"seed": options.seed, "candidates": options.candidates, "way": options.way}
            recorder = session.watch = Recorder(options.record, **head)
        print(f"open {server.url} (Ctrl-C ends)", flush=True)
        if not options.no_browser:
            webbrowser.open(server.url)
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()
        session.close()
        if recorder is not None:
            recorder.close()
            print(f"recorded: {options.record}")
    return 0
