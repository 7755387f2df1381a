"""Demonstrations: experts that act and converters that write LeRobotDatasets (format v3).

file                what it holds
------------------  -------------------------------------------------------------------------
writer.py           episodes as arrays -> a LeRobotDataset that exists completely or not at all
features.py         LeRobot's feature tables: vectors, cameras, what a step brought
scene_features.py   those of scenes with several things, a gaze and a sentence
pusht_features.py   LeRobot's feature table of PushT, and the T's eight keypoints
pusht_model.py      a fast batched quasi-static model of the push: T of two boxes, disc agent
pusht_simulator.py  gym_pusht's own physics as an exact checker from any state
pusht_moves.py      push primitives in the T's frame, and the shortest ways round the T to them
pusht_motion.py     moves as 10 Hz targets: a steady pace, in closed form for gym_pusht's controller
pusht_search.py     beam search over push primitives in the model
pusht_planner.py    search, exact check, choice among nearly equal plans
pusht_expert.py     plays an episode: keeps a plan while it works, recovers from disturbances
pusht_episodes.py   one episode from (seed, index): its start, its style, its file
pusht_rollouts.py   `dp-plus demos pusht_rollouts`: a trained policy, its candidates judged in the simulator
pusht.py            `dp-plus demos pusht`: many episodes on all cores, resumable, then one dataset
aloha*.py           `dp-plus demos aloha`: a scripted expert of the ALOHA sim, its joints replayed
blocks*.py          `dp-plus demos blocks`: things on a table, and a sentence for every episode
metaworld*.py       `dp-plus demos metaworld`: MetaWorld's experts, on its tasks and on three pucks
so101*.py           `dp-plus demos so101`: a recording of an arm that is not there, with two cameras
convert.py          `dp-plus convert`: data of other projects, compared frame by frame
converters/         one file a format
options.py          the options of every `demos` command, readable without imports; convert_options.py those of `convert`
production.py       many episodes on all cores, resumable, then one dataset: the same for every expert
episode_files.py    an episode a file until then, and the workers that play them
publication.py      `--push-to-hub` of every demos command; push.py does it later
"""
