"""Robots of the plugin, for `--robot.type=…` of LeRobot's scripts that expect hardware.

robot.type  what it is                                                        files
----------  ----------------------------------------------------------------  ------------------------------------
simulated   PushT's agent, ALOHA's two arms or a made-up SO-101, in a world    config_simulated.py, simulated.py
            that does not wait
            (the worlds: what they observe, and one control step of each)      worlds.py

`lerobot-rollout --robot.type=simulated` tries a policy, an engine and a machine together before a real robot is there.
"""
