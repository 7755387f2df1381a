"""Demonstrations: experts that act and converters that write LeRobotDatasets (format v3).

file                what it holds
------------------  -------------------------------------------------------------------------
writer.py           episodes as arrays -> a LeRobotDataset that exists completely or not at all
pusht_features.py   LeRobot's feature table of PushT, and the T's eight keypoints
pusht_model.py      a fast batched quasi-static model of the push: T of two boxes, disc agent
pusht_roadmap.py    collision-free ways around the T, in the T's own frame
pusht_simulator.py  gym_pusht's own physics as an exact, restorable checker of plans
pusht_moves.py      push primitives: where the disc may touch the T and where it may go from there
pusht_search.py     beam search over push primitives
pusht_expert.py     plans turned into 10 Hz targets: pace, disturbances, recoveries, replanning
pusht.py            `dp-plus demos pusht`: many episodes on all cores, resumable, then one dataset
"""
