"""Data loading, model, training and evaluation: from shards to forecasts.

Start with `walrus.api`; each room below names its public classes and functions in `__all__`.
"""

# By which a command knows that this package is ours (shards.program.own_packages).
DISTRIBUTION = "walrus-pde"
__all__ = ["api", "evaluation", "model", "reading", "training"]
