"""A package that is not installed: which extra brings it, in one line."""

import importlib.metadata
import re

#: Modules that are not named like the package that holds them.
PACKAGES = {
    "can": "python-can",
    "grpc": "grpcio",
    "hid": "hidapi",
    "rerun": "rerun-sdk",
    "scservo_sdk": "feetech-servo-sdk",
    "serial": "pyserial",
    "zmq": "pyzmq",
}
#: Ours first: an extra of this package brings LeRobot's with it.
DISTRIBUTIONS = ("lerobot_policy_dp_plus", "lerobot")


def missing_extra(error: ImportError) -> str | None:
    """What to install, for an import that failed; None where no extra would help and the fault is another."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else ""
    if "pip install" in first:
        return first
    module = (error.name or "").split(".")[0]
    if not module:
        return None
    package = PACKAGES.get(module, module)
    for distribution in DISTRIBUTIONS:
        extra = extra_with(package, distribution)
        if extra is not None:
            return f"{package} is not installed: pip install '{distribution}[{extra}]'"
    return None


def extra_with(package: str, distribution: str) -> str | None:
    """The extra of an installed `distribution` that asks for `package` itself; the shortest name of several."""
    try:
        requirements = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = []
    for requirement in requirements:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", requirement)
        if name and extra and _normal(name[0]) == _normal(package):
            found.append(extra[1])
    return min(found, key=lambda each: (each in ("all", "dev", "test"), len(each), each), default=None)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
