"""Generative robot policies for LeRobot: one path, three verbs, five axes (see the README)."""

__version__ = "0.1.0"
