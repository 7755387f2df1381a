"""States that nobody labelled, learned from a recording's pictures: `dp-plus see`; and where its target is: `dp-plus gaze`.

| file | what it is for |
|---|---|
| `options.py` | the options of the command, readable without imports |
| `footage.py` | a recording's pictures, at the size at which they are explained, and where the robot is in them |
| `states.py` | from pictures to points that are fixed to the thing, or the assumption that failed; `sprites/` has the method |
| `copying.py` | a copy of the recording with what was found as a state |
| `charts.py`, `page.py` | what it looks at, in pictures, and one page that holds them |
| `see.py` | the command `see` |
| `gaze_options.py`, `gaze.py` | the command `gaze`, and its options |
| `detector.py`, `masks.py` | who finds the target: a detector of transformers, a recorded mask |
| `boxes.py` | from what was found in a frame to one gaze, or none |
"""
