"""The room that knows LeRobot: one configuration, one model and one processor module serve every policy type.

| policy type (preset) | network | objective |
|---|---|---|
| `dp_plus_unet` | unet1d | diffusion |
| `dp_plus_transformer` | transformer | diffusion |
| `dp_plus_flow` | transformer | flow_matching, Beta(1.5, 1) times |
| `dp_plus_dit` | dit | flow_matching, Beta(1.5, 1) times |
| `dp_plus_pi0` | mixture | flow_matching, Beta(1.5, 1) times |

All of them predict the data, x₁, and sample with dpmpp_2m in 10 steps.

The field's baselines are the same policy with another head, and use no sampler:

| baseline | network | objective |
|---|---|---|
| `dp_plus_bc` | transformer | regression |
| `dp_plus_gmm` | lstm | mixture_density |
| `dp_plus_ibc` | transformer | implicit |
| `dp_plus_bet` | transformer | discretised |

| file | what it answers |
|---|---|
| `configuration_dp_plus.py`, `presets.py`, `parsing.py`, `parsing_words.py`, `spelling.py` | which fields there are, and how the command line sets them |
| `formats.py`, `former_names.py`, `former_weights.py` | what older files mean; what fields were called; what weights were called |
| `configuration_baselines.py`, `modeling_baselines.py`, `processor_baselines.py` | the baselines as policy types |
| `timing.py`, `fitting.py` | steps that follow the data's rate; which fields fit each other |
| `acting.py` | `load_policy`: a trained policy with its processors, from raw observation to action |
| `modeling_dp_plus.py`, `policy.py` | the policy types; their one class body: loss, chunk, action |
| `episode.py`, `history.py` | what is remembered between calls: by which thread, and how long ago a frame was seen |
| `precision.py`, `raw_values.py` | weights of other types than float32; states that no processor has normalised |
| `randomness.py` | where random numbers come from: a training's on every rank and after resuming, and noise |
| `numbers.py` | how whatever is given becomes floating point, the one place |
| `pictures.py` | how pictures of any camera come to the size of the training |
| `statistics.py`, `missing_statistics.py` | statistics that normalise any dataset; where they come from if their file is missing |
| `processor_dp_plus.py`, `saved_pipelines.py`, `taking_turns.py` | numbers, normalisation and augmentation in LeRobot's pipelines; those of older versions; threads that share one |
| `embodiments.py`, `robots_data.py`, `robots_step.py` | several robots: which is served; what is taken from their datasets; normalisation by robot |
| `instructions.py`, `paraphrases.py`, `words_step.py` | whether the policy reads the instructions of its dataset; other sentences that mean the same; from a sentence to what it reads |
| `subtasks.py`, `language_column.py` | the sentences that it learns to tell; what LeRobot's column of language says of episodes |
| `checkpoint.py` | weights on disk: whole, and read strictly |
| `fetching.py`, `loading.py`, `loading_errors.py`, `host_loading.py`, `ownership.py`, `versions.py` | where a checkpoint comes from, the one message when it cannot be used, and whose it is |
| `chunk_model.py`, `batch_loss.py`, `windows.py` | the module that is trained; which frames it reads |
| `recipe.py`, `candidates.py`, `mirroring.py`, `settling.py` | what decides how chunks are proposed; how they are; half of them mirrored; how they are refined, projected and judged |
| `relative.py`, `relative_statistics.py` | actions relative to the robot's state: the step, the plan that moves with it; their statistics |
| `real_time.py`, `continuing.py` | a chunk drawn while the plan before is executed: LeRobot's interface for it; what is known of the chunk before it is drawn |
| `planning.py`, `options.py`, `watching.py` | the next chunk of an episode; what the policy might do; what it shows to those who watch it |
| `readings.py` | an equal share of the candidates for each sentence that an instruction may mean |
| `narrowing.py`, `asking.py`, `keeping.py`, `holding.py`, `contrast.py` | candidates and their modes; a person who decides between these; a mode that is kept; a plan that is held; another policy to compare with |
| `devices.py`, `resuming.py`, `folders.py` | a saved device that is not here; flags a resumed training ignores; where in a training's folder the policy is |
| `publication.py` | the push at the end of a training, and from Python |
| `host_training.py`, `host_data.py` | what LeRobot's next version does otherwise, and what it does not say of a dataset; like `host_loading.py`, answers of `lerobot_dp_plus/patches.py`, which lists every patch of LeRobot |
| `metrics_file.py` | what a training logs, in its folder |
| `dataset_remarks.py`, `readable.py` | what is said of a dataset before training; which features can be read |
| `sharding.py`, `deferred.py` | weights in pieces: saved whole, and filled strictly later than made |
| `dataset_check.py`, `environment_check.py` | do dataset and environment fit the policy |
"""
