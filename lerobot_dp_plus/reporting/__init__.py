"""One page about a training or an evaluation: `dp-plus report DIR`.

| file | idea |
|---|---|
| `found.py` | what lies in the folder: metrics, evaluation, films, config, versions |
| `curves.py` | what a training logged, over its steps |
| `charts.py` | how episodes ended, how long they were, how late decisions are |
| `themes.py` | each chart twice, on light and on dark ground |
| `gallery.py` | strips of frames from films, sorted by how the episode ended |
| `metric_words.py` | what each logged figure means |
| `page.py`, `page.html.jinja` | the page, which needs no other file |
| `report.py` | the command |
| `options.py` | its options, readable without imports |
"""
