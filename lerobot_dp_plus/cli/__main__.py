"""`python -m lerobot_dp_plus.cli …`, the form `torchrun -m` needs."""

import sys

from lerobot_dp_plus.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
