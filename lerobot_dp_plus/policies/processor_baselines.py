"""The pipelines of the policy types of `configuration_baselines.py`, where LeRobot looks for them: those of every type."""

from lerobot_dp_plus.policies.processor_dp_plus import make_pipelines

make_dp_plus_bc_pre_post_processors = make_pipelines
make_dp_plus_gmm_pre_post_processors = make_pipelines
make_dp_plus_ibc_pre_post_processors = make_pipelines
make_dp_plus_bet_pre_post_processors = make_pipelines
