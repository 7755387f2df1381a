"""The method in pictures: `dp-plus explain` shows what a policy might do, how that comes about, and what it does.

| file | idea |
|---|---|
| `options.py` | the options of the command, readable without imports |
| `material.py` | what is shown: a moment of a run, its candidates, how they came about, and bent by rules |
| `watched.py` | a guidance that changes nothing and remembers every estimate |
| `style.py` | colours, and a scene to draw on |
| `scenes.py` | the pictures of PushT |
| `curves.py` | pictures of actions over time, where there is no scene to draw them in |
| `table.py` | the picture of a table with things: which of them each plan goes to, by colour and place |
| `attention.py` | where the actions look, and which words they listen to |
| `gaze.py` | the target's region, and what a policy that learned to draws of it |
| `film.py` | noise becomes plans, and one of them is done |
| `page.py` | one page that needs no other file |
| `explain.py` | the command |
"""
