"""What each figure means that a training logs; for the page, and for whoever reads `metrics.jsonl`."""

WORDS = {
    "loss": "what is minimised: the loss of the chunks plus the weighted losses below",
    "loss_executed": "the part of the chunks' loss on the steps that are executed before the policy looks again; the rest of a "
    "chunk is predicted, too, and is never executed unless chunks are delayed",
    "loss_dynamics": "of the model of what actions lead to",
    "loss_state_estimation": "of reading states off pictures",
    "eval_loss": "the loss on held-out episodes; it says little about success",
    "lr": "the learning rate",
    "grad_norm": "the size of the gradient before it is clipped",
    "updates_per_s": "updates a second, data included",
    "samples_per_s": "samples a second, over all processes",
    "eval_success_percent": "success of an evaluation in the training, in percent",
    "eval_episodes": "episodes of that evaluation",
    "eval_sum_reward": "mean sum of an episode's rewards there",
    "eval_max_reward": "mean largest reward of an episode there",
}


def meaning(name: str) -> str:
    """In words; of a figure that is not in the table, that it is a part of the loss or LeRobot's."""
    if name in WORDS:
        return WORDS[name]
    return (
        f"the weighted loss of {name.removeprefix('loss_').replace('_', ' ')}"
        if name.startswith("loss_")
        else "LeRobot's"
    )
