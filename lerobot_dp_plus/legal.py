"""What numbers the fields of a config's part may hold: one check and one message for all of them."""


def at_least(where: str, part: object, **least: float) -> None:
    """Raise a ValueError unless these fields of `part` are that large: `at_least("network", self, dim=1, depth=1)`.

    The message names the field, its value and what is legal. `where` is the field of the policy that holds the part.
    """
    for name, bound in least.items():
        value = getattr(part, name)
        if not value >= bound:
            raise ValueError(f"{where}.{name} = {value}: must be at least {bound}")


def positive(where: str, part: object, *names: str) -> None:
    """Raise a ValueError, as `at_least` does, unless these fields of `part` are greater than 0."""
    for name in names:
        value = getattr(part, name)
        if not value > 0:
            raise ValueError(f"{where}.{name} = {value}: must be positive")
