"""The import table: which room may know which (and only some may know LeRobot)."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "lerobot_dp_plus"
NAME = PACKAGE.name

# Lower rooms first. Every room may import what its row names, and itself.
BASICS = {"notation", "legal", "extras", "paths", "units", "gradients", "mixtures"}
PARTS = {
    "networks",
    "encoders",
    "auxiliary",
    "tokenizers",
    "energies",
    "forward_maps",
    "refinement",
    "projection",
    "modes",
    "selection",
    "execution",
    "surprise",
    "augmentation",
    "objectives",
    "samplers",
    "guidance",
    "likelihood",
    "real_time",
    "ema",
    "heads",
    "sprites",
}
HANDS = {"policies", "demos", "loading", "environments", "robots"}
EYES = {"evaluation"}
HOOKS = {"host_hooks", "patches"}
TABLE: dict[str, set[str]] = {
    "notation": set(),
    "digests": set(),
    # What numbers a field may hold; standard library only.
    "legal": set(),
    # Packages that come with an extra; standard library only.
    "extras": set(),
    "units": set(),
    # Several datasets as a user writes them; standard library only.
    "mixtures": set(),
    "paths": {"notation", "legal"},
    **{room: {"notation", "legal", "extras", "digests"} for room in ("networks", "encoders")},
    **{room: {"notation", "legal"} for room in ("modes", "augmentation")},
    **{room: {"notation", "legal", "named"} for room in ("energies", "selection")},
    **{room: {"notation", "legal", "paths"} for room in ("objectives", "samplers", "likelihood")},
    "gradients": {"notation"},
    "guidance": {"notation", "legal", "paths", "gradients"},
    "real_time": {"notation", "legal", "paths", "gradients"},
    "refinement": {"notation", "legal", "gradients"},
    "forward_maps": {"notation", "legal", "units"},
    "projection": {"notation", "legal", "energies", "forward_maps"},
    # A user's functions by name; standard library only.
    "named": set(),
    "ema": set(),
    "execution": {"legal"},
    # Somebody who is asked; numpy, and matplotlib for a picture.
    "asking": set(),
    "surprise": {"notation", "units"},
    "tokenizers": {"notation", "legal", "extras", "units", "digests"},
    "auxiliary": {"notation", "legal", "units", "networks", "objectives", "tokenizers", "modes"},
    # States found in pictures; torch only.
    "sprites": {"encoders", "augmentation", "auxiliary"},
    # What puts a network and what is around it together; nothing of a policy's config or its room.
    "heads": {
        "notation",
        "legal",
        "paths",
        "networks",
        "objectives",
        "samplers",
        "guidance",
        "likelihood",
        "real_time",
    },
    # Cards and uploads: folders in, folders out. Below the policies, whose push they serve.
    "hub": set(),
    # How a command describes itself; standard library only.
    "options": set(),
    # Where LeRobot is patched; it names modules and imports none of them.
    "host_hooks": set(),
    "patches": {"host_hooks"},
    "environments": BASICS | PARTS,
    "robots": {"environments"},
    "loading": BASICS | PARTS | HOOKS,
    "policies": BASICS | PARTS | HOOKS | {"hub", "asking"},
    "demos": BASICS | PARTS | {"environments", "hub", "options"},
    **{room: BASICS | PARTS | HOOKS | HANDS | {"hub", "options"} for room in EYES},
    "comparing": BASICS | PARTS | HANDS | EYES | {"hub", "options"},
    # Pictures of the method, and a person who steers; neither knows the other.
    **{room: BASICS | PARTS | HANDS | EYES | {"hub", "options"} for room in ("explaining", "steering")},
    # A policy for robots that ask over a network, and one as a file.
    "exporting": BASICS | PARTS | HANDS | EYES | {"hub", "options"},
    "serving": BASICS | PARTS | HANDS | EYES | {"hub", "options"},
    # A policy against held-out actions; a recording and what is wrong with it.
    "offline": BASICS | PARTS | HANDS | EYES | {"explaining", "hub", "options"},
    "doctor": BASICS | PARTS | HOOKS | HANDS | EYES | {"explaining", "offline", "hub", "options"},
    # The command around `sprites`.
    "seeing": BASICS | PARTS | HANDS | {"explaining", "hub", "options"},
    "reporting": BASICS | PARTS | HANDS | EYES | {"hub", "options"},
    "publishing": BASICS | PARTS | HANDS | EYES | {"hub", "options"},
    "cli": BASICS
    | PARTS
    | HOOKS
    | HANDS
    | EYES
    | {"comparing", "explaining", "steering", "serving", "exporting", "offline", "doctor", "seeing", "hub"}
    | {"publishing", "reporting", "options"},
}
KNOW_LEROBOT = HANDS | EYES | {"explaining", "serving", "offline", "doctor", "seeing", "publishing", "cli"}


def imported(source: str, module: str) -> Iterator[str]:
    """Dotted names `source` imports, wherever in the file; `module` is its own dotted package for relative ones."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: len(module.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from package import room` names a room only together with what is imported.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def violations(room: str, source: str, module: str) -> list[str]:
    """What the table forbids in a file of `room`."""
    found = []
    for name in imported(source, module):
        parts = name.split(".")
        if parts[0] == NAME and len(parts) > 1 and parts[1] in TABLE and parts[1] not in TABLE[room] | {room}:
            found.append(f"{room} imports {name}")
        if parts[0] == "lerobot" and room not in KNOW_LEROBOT:
            found.append(f"{room} imports {name}")
    return found


def room_of(file: Path) -> str:
    """The first part of the path under the package: a folder, or a module of its own."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def sources() -> list[Path]:
    """Every module of the package in a room."""
    return [file for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py"]


def test_every_file_is_in_a_room_of_the_table() -> None:
    strangers = sorted({room_of(file) for file in sources()} - set(TABLE))
    assert not strangers, f"rooms without a row in the import table: {strangers}"


def test_imports_follow_the_table() -> None:
    found = []
    for file in sources():
        module = ".".join([NAME, *file.relative_to(PACKAGE).parent.parts])
        found += violations(room_of(file), file.read_text(), module)
    assert not found, "\n".join(found)


def test_the_root_package_imports_no_room() -> None:
    root = (PACKAGE / "__init__.py").read_text()
    assert not [name for name in imported(root, NAME) if name.split(".")[0] in (NAME, "lerobot", "torch")]


def test_every_folder_explains_itself() -> None:
    for file in PACKAGE.rglob("__init__.py"):
        docstring = ast.get_docstring(ast.parse(file.read_text()))
        assert docstring and len(docstring) > 40, f"{file.relative_to(PACKAGE)} has no docstring that explains it"


def test_the_table_has_no_room_that_is_gone() -> None:
    gone = set(TABLE) - {room_of(file) for file in sources()}
    assert not gone, f"rows of the import table without a room: {gone}"


def test_no_arrow_leads_up() -> None:
    """A room that may be imported by another may not import it in turn, whatever lies between."""
    above = {room: set(below) for room, below in TABLE.items()}
    for _ in TABLE:  # longer and longer ways
        above = {room: below.union(*(above[other] for other in below)) for room, below in above.items()}
    circles = sorted(room for room, below in above.items() if room in below)
    assert not circles, f"rooms that import themselves by way of others: {circles}"


def test_the_checker_sees_what_is_forbidden() -> None:
    module = f"{NAME}.samplers"
    forbidden = [
        "from lerobot_dp_plus.objectives.base import Objective",
        "import lerobot_dp_plus.networks.unet1d",
        "from lerobot_dp_plus import guidance",
        "from ..networks import unet1d",
        "from .. import policies",
        "def late():\n    from lerobot.policies import PreTrainedPolicy",
    ]
    for source in forbidden:
        assert len(violations("samplers", source, module)) == 1, source
    allowed = [
        "from lerobot_dp_plus.paths import Path",
        "from .base import Sampler",
        "from .. import notation",
        "import lerobot_dp",
    ]
    for source in allowed:
        assert violations("samplers", source, module) == [], source
