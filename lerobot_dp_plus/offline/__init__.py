"""A policy against held-out actions, without any simulator: `dp-plus offline`.

| file | idea |
|---|---|
| `options.py` | the options of the command, readable without imports |
| `held_out.py` | which episodes a checkpoint was trained on, and which were held out |
| `draws.py` | N candidate chunks for every moment that is looked at, beside what the demonstrator did |
| `scores.py` | errors by step and dimension, best of n, calibration of the spread |
| `verdict.py` | what the numbers say, in sentences |
| `shown.py` | table and picture |
| `offline.py` | the command |
"""
