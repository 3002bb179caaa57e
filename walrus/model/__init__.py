"""The Walrus network (arXiv 2511.15684), one file per concept."""

from walrus.model.settings import PRESETS, ModelSettings
from walrus.model.walrus import Walrus

__all__ = ["PRESETS", "ModelSettings", "Walrus"]
