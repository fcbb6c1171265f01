"""Import torchvision without torch's compiler, which takes longer than all else together.

Its RoI pooling asks `torch._dynamo` one question, and only where torchvision lacks operators of its
own or algorithms must be deterministic; importing that for the question takes longer than torch.
"""

import importlib
import sys
import types

_COMPILER = "torch._dynamo.utils"


def is_compile_supported(device_type: object) -> bool:
    """torch's function of that name, imported when it is called."""
    return bool(importlib.import_module(_COMPILER).is_compile_supported(device_type))


is_compile_supported._dynamo_marked_constant = True  # type: ignore[attr-defined]  # as torch's own


def import_torchvision() -> None:
    """Import torchvision; a version that wants more of the compiler gets all of it."""
    if _COMPILER in sys.modules:
        return
    stand_in = types.ModuleType(_COMPILER)
    stand_in.is_compile_supported = is_compile_supported  # type: ignore[attr-defined]
    sys.modules[_COMPILER] = stand_in
    try:
        importlib.import_module("torchvision")
    except ImportError:
        del sys.modules[_COMPILER]
        importlib.import_module("torchvision")
    finally:
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]
