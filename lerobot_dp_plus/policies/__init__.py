"""The room that knows LeRobot: one configuration, one model and one processor module serve every policy type.

| policy type (preset) | network | objective | sampler |
|---|---|---|---|
| `dp_plus_unet` | unet1d | diffusion, ε | ddim, 10 steps |
| `dp_plus_transformer` | transformer | diffusion, ε | dpmpp_2m, 10 steps |
| `dp_plus_flow` | transformer | flow_matching, Beta(1.5, 1) times | euler, 10 steps |
| `dp_plus_dit` | dit | flow_matching, Beta(1.5, 1) times | heun, 5 steps |
"""
