"""Evaluation: numbers with their uncertainty, and pictures.

LeRobot's `eval` runs the episodes; the files here read what it wrote and add what it leaves out.

| file            | idea                                                                               |
|-----------------|------------------------------------------------------------------------------------|
| `report.py`     | `eval_info.json` → success, interval, score, seeds, latency; table and JSON         |
| `checkpoint.py` | a saved policy with its processors: observation in, chunks of actions out           |
| `folders.py`    | where a training keeps its policy, at which step, with which weights               |
| `obs_type.py`   | what an environment must show a policy, from the features it was trained on        |
| `options.py`    | the options of the three commands, readable without imports                        |
| `latency.py`    | milliseconds per chunk at batch 1, median and 90th percentile                       |
| `scenes.py`     | PushT states to look at, two of them exactly symmetric, so that both ways are right |
| `plots.py`      | sampled chunks drawn into the scene, coloured by time step                          |
| `evaluate.py`   | all of it for one checkpoint: `dp-plus evaluate`                                    |
| `instruction.py` | the same scenes with other sentences: `dp-plus evaluate --swap-task`                |
| `watched_runs.py` | episodes of PushT side by side, with somebody watching or interfering              |
| `calibrate.py`  | thresholds of surprise and strangeness: `dp-plus calibrate`                         |
| `arena.py`       | one run, step by step, and what the policy has observed of it                      |
| `moment.py`      | what a policy might do now: candidates, where they lead, which ways there are      |
| `demo.py`       | train, then evaluate, reusing what is there: `dp-plus demo`                         |
"""
