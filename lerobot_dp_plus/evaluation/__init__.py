"""Evaluation: numbers with their uncertainty, and pictures.

Episodes are those of LeRobot's `eval`, number by number; the files here keep them, and add what it leaves out.
`docs/evaluation.md` says what every figure means.

| file            | idea                                                                               |
|-----------------|------------------------------------------------------------------------------------|
| `player.py`, `clock.py`, `tracked.py` | a batch of episodes through LeRobot's `rollout`; how long decisions take; what happens |
| `batches.py`, `together.py`, `workers.py` | which episodes are played together, what is kept of them; by how many processes |
| `playing.py`    | all batches, what was stopped goes on; the files that tell of all episodes          |
| `environment_of.py`, `embodiment_of.py` | which environment a checkpoint is evaluated in, as which of its robots |
| `signals.py`, `failures.py` | what an environment tells of a step; how an episode failed              |
| `motion.py`, `statistics.py`, `summary.py` | path, jerk, collisions; intervals of means; all of it in figures |
| `robustness.py`, `perturbing/` | success under every level of what makes it harder; what that may be   |
| `films.py`      | films of first episodes and of failures, played again by their actions              |
| `report.py`     | `eval_info.json` → success, interval, score, seeds, latency; table and JSON         |
| `checkpoint.py` | a saved policy with its processors: observation in, chunks of actions out           |
| `folders.py`    | where a training keeps its policy, at which step, with which weights               |
| `obs_type.py`   | what an environment must show a policy, from the features it was trained on        |
| `options.py`    | the options of the commands, readable without imports                        |
| `latency.py`    | milliseconds per chunk at batch 1, median and percentiles                           |
| `scenes.py`     | PushT states to look at, two of them exactly symmetric, so that both ways are right |
| `plots.py`      | sampled chunks drawn into the scene, coloured by time step                          |
| `evaluate.py`   | all of it: `dp-plus evaluate`                                                       |
| `instruction.py` | the same scenes with other sentences: `dp-plus evaluate --swap-task`                |
| `ambiguity.py` | how many things a policy might do, and a sentence fits: `dp-plus evaluate --ambiguity` |
| `told_scenes.py` | what these two share: the environment, and the file they write                |
| `watched_runs.py` | episodes of PushT side by side, with somebody watching or interfering              |
| `calibrate.py`  | thresholds of surprise and strangeness: `dp-plus calibrate`                         |
| `arena.py`       | one run, step by step, and what the policy has observed of it                      |
| `moment.py`      | what a policy might do now: candidates, where they lead, which ways there are      |
| `demo.py`       | train, then evaluate, reusing what is there: `dp-plus demo`                         |
"""
