"""Warns of values that no normalisation gives, because then the processors seem to be missing."""

import logging
from collections.abc import Mapping

from lerobot.configs import NormalizationMode
from torch import Tensor

from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

logger = logging.getLogger(__name__)

#: Largest absolute value of a state in use. MIN_MAX maps the data to [−1, 1], so 5 is two whole ranges outside of the
#: data. The other modes leave outliers, but 50 standard deviations, or spans of quantiles, are not outliers.
BOUNDS = {
    NormalizationMode.MIN_MAX: 5.0,
    NormalizationMode.MEAN_STD: 50.0,
    NormalizationMode.QUANTILES: 50.0,
    NormalizationMode.QUANTILE10: 50.0,
}
#: Number of chunks whose observations are looked at. Looking makes a GPU wait.
LOOKS = 5


class RawValues:
    """Looks at the states of the first few chunks, and warns once if they cannot be normalised ones."""

    def __init__(self, config: DpPlusConfig):
        self._config, self._left = config, LOOKS

    def look(self, window: Mapping[str, Tensor]) -> None:
        """Look at windows (B, T_o, D) of states, as given to the policy. Pictures and unnormalised ones are skipped."""
        if self._left < 1:
            return
        self._left -= 1
        for key in self._config.low_dimensional_features:
            mode = self._config.normalization_mapping.get(self._config.input_features[key].type.value)  # type: ignore[index]
            if key not in window or mode is None or mode not in BOUNDS:
                continue
            largest = float(window[key].abs().max())
            if largest > BOUNDS[mode]:
                logger.warning(
                    "%s reaches %.4g, and the policy takes it normalised (%s): the processors seem to be missing. `policy, "
                    "preprocess, postprocess = lerobot_dp_plus.load_policy(...)` loads all three; the action is "
                    "postprocess(policy.select_action(preprocess(observation))). With them in place, the robot is far "
                    "outside of what was demonstrated",
                    key,
                    largest,
                    mode.value,
                )
                self._left = 0
                return
