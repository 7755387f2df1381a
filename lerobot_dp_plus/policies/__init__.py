"""The room that knows LeRobot: one configuration, one model and one processor module serve every policy type.

| policy type (preset) | network | objective | sampler |
|---|---|---|---|
| `dp_plus_unet` | unet1d | diffusion, ε | ddim, 10 steps |
| `dp_plus_transformer` | transformer | diffusion, ε | dpmpp_2m, 10 steps |
| `dp_plus_flow` | transformer | flow_matching, Beta(1.5, 1) times | euler, 10 steps |
| `dp_plus_dit` | dit | flow_matching, Beta(1.5, 1) times | heun, 5 steps |

| file | what it answers |
|---|---|
| `configuration_dp_plus.py`, `presets.py`, `parsing.py` | which fields there are, and how the command line sets them |
| `modeling_dp_plus.py`, `history.py` | loss, chunk, action; what is remembered between calls |
| `randomness.py` | where a training's random numbers come from, on every rank and after resuming |
| `numbers.py` | how whatever is given becomes floating point, the one place |
| `statistics.py`, `missing_statistics.py` | statistics that normalise any dataset; where they come from if their file is missing |
| `processor_dp_plus.py`, `saved_pipelines.py` | numbers, normalisation and augmentation in LeRobot's pipelines; those of older versions |
| `checkpoint.py` | weights on disk: whole, and read strictly |
| `fetching.py`, `loading.py`, `loading_errors.py`, `host_loading.py`, `versions.py` | where a checkpoint comes from, and the one message when it cannot be used |
| `chunk_model.py`, `windows.py`, `compiled.py` | the module that is trained; which frames it reads; sampling as one compiled graph |
| `publication.py` | the push at the end of a training |
| `dataset_check.py`, `readable.py`, `environment_check.py` | do dataset and environment fit the policy; which features can be read |
| `dataset_remarks.py`, `host_data.py` | what is said of a dataset before training; what LeRobot does not tell a policy of its training |
"""
