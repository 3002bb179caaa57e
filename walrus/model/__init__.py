"""The Walrus network: one file per concept (arXiv 2511.15684)."""

from walrus.model.settings import PRESETS, ModelSettings
from walrus.model.walrus import Walrus

__all__ = ["PRESETS", "ModelSettings", "Walrus"]
