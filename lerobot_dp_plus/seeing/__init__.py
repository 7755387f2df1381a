"""States that nobody labelled, learned from a recording's pictures: `dp-plus see`.

| file | what it is for |
|---|---|
| `options.py` | the options of the command, readable without imports |
| `footage.py` | a recording's pictures, at the size at which they are explained, and where the robot is in them |
| `states.py` | from pictures to points that are fixed to the thing, or the assumption that failed; `sprites/` has the method |
| `copying.py` | a copy of the recording with these points as `observation.environment_state` |
| `charts.py`, `page.py` | what it looks at, in pictures, and one page that holds them |
| `see.py` | the command |
"""
