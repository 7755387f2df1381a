"""Asking a person which way to go. It knows no policy and no selection: a question is arrays in the dataset's units.

| file | idea |
|---|---|
| `question.py` | what is asked: several ways to go on, and a picture of them |
| `person.py` | puts a question to a function or the terminal, and waits no longer than is said |
| `terminal.py` | the question in words, and what is typed |
"""

from lerobot_dp_plus.asking.person import Answer, Person
from lerobot_dp_plus.asking.question import Question

__all__ = ["Answer", "Person", "Question"]
