"""Publishing: a finished checkpoint becomes a page and a revision on the Hub, and others' checkpoints become ours.

| file                 | idea                                                                                        |
|----------------------|---------------------------------------------------------------------------------------------|
| `publish.py`         | `dp-plus publish`: check, collect, render, one commit, download and compare, tag             |
| `checks.py`          | the actions of a checkpoint on a made-up observation and fixed noise, finite and comparable  |
| `evaluation_beside.py` | the evaluation of the same weights that lies beside them                                  |
| `evaluation_dir.py`  | figures, picture and films of an evaluation, without this machine's paths                    |
| `options.py`         | the options of the three commands, readable without imports                                 |
| `average.py`         | `dp-plus average`: the mean of a training's late checkpoints as one policy                   |
| `import_lerobot*.py` | `dp-plus import-lerobot`: LeRobot's `diffusion` checkpoints as `dp_plus_unet`                |
"""
