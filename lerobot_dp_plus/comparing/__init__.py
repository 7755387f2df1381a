"""Is policy A really better than B? `dp-plus compare A B`, on the same episodes.

| file | idea |
|---|---|
| `outcomes.py` | success and score of each episode, from a folder of an evaluation |
| `paired.py` | two policies on common episodes: exact test, interval of the difference, how many episodes would show one |
| `trainings.py` | several trainings of each: training seeds as a level of their own |
| `sequential.py` | episodes until it is decided, at the stated error rate however often one looks |
| `verdict.py` | all of it as figures and as plain sentences |
| `compare.py` | the command |
| `options.py` | its options, readable without imports |
"""
