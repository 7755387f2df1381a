"""What is wrong with a recording and what to set: `dp-plus doctor`.

An examination is one file with one idea. It gives findings: a name, how grave it is, a sentence with the numbers and the
place, and what to do.

| file | what it looks for |
|---|---|
| `episodes.py` | how many episodes, how long, which are unlike the others |
| `values.py` | NaN, columns that cannot be read, statistics that are not of these data |
| `clock.py` | timestamps against the stated rate, gaps, time that runs backwards |
| `repeats.py` | frames recorded twice, frames lost, a state that is read too seldom |
| `stillness.py` | time in which nothing moves, at the start, at the end and in pauses |
| `delay.py` | steps from the action to the state that follows, by cross-correlation |
| `jumps.py` | actions that leap |
| `constant.py` | dimensions that never move |
| `outliers.py` | rare values that squeeze MIN_MAX |
| `ends.py` | grippers and joints that stay at an end of their range |
| `tasks.py` | instructions, and how they differ |
| `duplicates.py` | episodes that are nearly the same |
| `ambiguity.py` | how much actions differ where nearly the same is observed |
| `cameras.py`, `exposure.py` | black, frozen and slow cameras; pictures clipped to white or black |

| file | what it is for |
|---|---|
| `options.py` | the options of the command, readable without imports |
| `finding.py`, `dimensions.py` | what an examination says; what kind of thing a dimension is |
| `recording.py`, `footage.py` | a recording as numbers; a bounded sample of its pictures |
| `examine.py` | all examinations in their order |
| `suggestion.py`, `trial.py` | the training that a recording suggests; how fast it is here, by a few real updates |
| `overfit.py` | can the policy learn one episode? |
| `training.py` | the three gravest findings, for `lerobot train` |
| `charts.py`, `page.py`, `terminal.py` | pictures, one page that holds them, and the same in a terminal |
| `doctor.py` | the command |
"""
