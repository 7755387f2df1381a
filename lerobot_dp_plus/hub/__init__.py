"""Cards and uploads, folders in and folders out: what a checkpoint's folder says becomes its page and its commit.

| file               | idea                                                                                             |
|--------------------|--------------------------------------------------------------------------------------------------|
| `publication.py`   | `publication.json`: what a card needs and no other file says                                     |
| `card.py`          | the card, a function of a folder's files; template `card.md.jinja`, `card_*.py` its parts        |
| `files.py`         | files and folders that are there whole or not at all; what small ones say. Imports nothing       |
| `intervals.py`     | 95 % Wilson interval of a success rate                                                           |
| `contents.py`      | which files an upload may hold, their hashes, and how they differ from a revision on the Hub     |
| `upload.py`        | a folder becomes one commit or none; tags that never move                                        |
| `verify.py`        | the commit downloaded as a stranger does, and compared byte for byte                             |
| `dataset_lookup.py`| is a dataset on the Hub: asked quickly, answered in one line                                      |
| `patience.py`      | one rule for waiting and trying again, and what is said when it was in vain                      |
"""
