"""Data people already own, as LeRobotDatasets (format v3): `dp-plus convert`.

file              what it holds
----------------  ---------------------------------------------------------------------------------------
common.py         a source that is opened and checked but not yet read; the checks of numbers and pictures
transfer.py       episode by episode into a dataset that appears complete and checked, or not at all
survival.py       reads the written dataset back and compares every frame with the source
replay.py         replay buffers: arrays of all episodes end to end, and where the episodes end
zarr.py           Diffusion Policy's replay buffers, a folder or a zip
checked_store.py  zarr's chunks, their lengths checked
npz.py            the same in one .npz file
aloha_hdf5.py     ACT's and ALOHA's episode_*.hdf5
robomimic.py      robomimic's data/demo_*
hdf5.py           what the two HDF5 formats share

A source is refused as a whole, with file and key named, before anything is written wherever its headers show the
fault. Nothing is ever unpickled.
"""
