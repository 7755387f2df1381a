"""Environments of the plugin, for `--env.type=…` of LeRobot's scripts.

env.type    what it is                                                             file
----------  ---------------------------------------------------------------------  --------------------
aloha_lite  gym_aloha's two tasks, physics bit for bit, at many times the speed    aloha_config.py
            (the environment itself)                                               aloha_lite.py
            (the physics, without rendering; rewards; when a goal counts as held)  aloha_physics.py
            (pictures: one camera, any size, in the stock look or a cheap one)     aloha_render.py
blocks      a table with three things, and a sentence that says which to bring     blocks_config.py
            (the environment itself, kinematic)                                    blocks.py
            (its pictures)                                                         blocks_picture.py
three_pucks MetaWorld's table with three pucks, and a sentence that says which         pucks_config.py
            (the environment itself)                                               pucks.py
            (the physics)                                                          pucks_physics.py
metaworld_  any of MetaWorld's fifty tasks: LeRobot's physics, cheap pictures      metaworld_config.py
lite        (the environment itself)                                               metaworld_lite.py
            (names, sentences and experts of the tasks)                            metaworld_tasks.py

`so101.py` and `so101_pictures.py` are a made-up SO-101 at its table, for `demos/` and `robots/`. `pictured.py` is what the last three environments share,
`told.py` what the two with a sentence for coloured things do, and `told_config.py` what their options do. `sentences.py` holds what is said, in training and in tests only; `things.py` says which things that may be about; `vector.py` makes vectors of environments;
`mujoco_pictures.py` makes cheap pictures, and says where a point is in them; `metaworld_extra.py` imports MetaWorld late.

How aloha_lite differs from LeRobot's `aloha`: one camera is rendered, only when it is asked for, at 120×160 unless told
otherwise, without shadows, reflections and multisampling (`look=stock` brings them back); the objects' poses can be
observed instead of pixels; `success=completed` asks for more than the first touch. The physics, the keys, the action and
the default success are the same. Pass --eval.use_async_envs=false.

Importing this folder imports neither MuJoCo nor gym_aloha nor MetaWorld: they come with the extras `aloha` and `metaworld`.
"""
