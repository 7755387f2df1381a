"""`--robot.type=simulated`: which world the robot is in, and whether time passes there."""

from dataclasses import dataclass

from lerobot.robots.config import RobotConfig

#: The worlds, and how many control steps a second each has.
RATES = {"pusht": 10, "transfer_cube": 50, "insertion": 50, "so101": 30}


@RobotConfig.register_subclass("simulated")
@dataclass(kw_only=True)
class SimulatedConfig(RobotConfig):
    """A robot in a simulator.

    Raises:
        ValueError: a field is illegal; the message names it, its value and what is legal.
    """

    # pusht, so101, or one of ALOHA's tasks, transfer_cube and insertion (extra aloha).
    world: str = "pusht"
    # Where things lie at the start.
    seed: int = 100000
    # How fast time passes there: 1 as outside, 2 twice as fast. It does not wait for actions; until the next one comes, the
    # last one holds. With 0 it waits: an action is one control step.
    speed: float = 1.0
    # Whether PushT's robot is told the T's corners, as joints beside its own two.
    keypoints: bool = False
    # Whether there is a camera.
    camera: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.world not in RATES:
            raise ValueError(f"robot.world={self.world!r}: legal are {', '.join(RATES)}")
        if self.seed < 0:
            raise ValueError(f"robot.seed={self.seed}: legal are integers from 0")
        if not 0 <= self.speed < float("inf"):
            raise ValueError(f"robot.speed={self.speed}: must be at least 0, which is to wait for actions")
        if self.keypoints and self.world != "pusht":
            raise ValueError(f"robot.keypoints=true: robot.world={self.world} has none; leave it out")
        if not self.camera and not self.keypoints and self.world == "pusht":
            raise ValueError(
                "robot.camera=false: PushT's robot then sees nothing of the T; set robot.keypoints=true or leave it out"
            )
