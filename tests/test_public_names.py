"""The package's public names mean the same whatever was imported before."""

import subprocess
import sys

IMPORT_ALL = """
import importlib, pkgutil
import contragan

public = [name for name in contragan.__all__ if name != "__version__"]
first = {name: getattr(contragan, name) for name in public}
assert len(public) >= 8
for module in pkgutil.walk_packages(contragan.__path__, "contragan."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for name in public:
    assert callable(first[name]), name
    assert getattr(contragan, name) is first[name], f"{name} is {getattr(contragan, name)}"
"""


def test_no_submodule_takes_the_place_of_a_public_name() -> None:
    subprocess.run([sys.executable, "-c", IMPORT_ALL], check=True, timeout=120)
