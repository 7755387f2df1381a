"""A loss that makes the backbone say in words what is done. It needs `network.type=mixture`.

The words stand behind the first block and see it, and each other only backwards. No other token sees them. So in use nothing
of this is computed, and no chunk depends on it, unless somebody asks for a description.

| member of `auxiliary` | asked of the backbone | source | file |
|---|---|---|---|
| `text` | the next word of the instruction, or of the sub-task | Transfusion, arXiv 2408.11039; π0.5, 2504.16054 | `prediction.py` |

`vocabulary.py` turns sentences into numbers and back.
"""

from lerobot_dp_plus.auxiliary.text.prediction import Text
from lerobot_dp_plus.auxiliary.text.vocabulary import Vocabulary

__all__ = ["Text", "Vocabulary"]
