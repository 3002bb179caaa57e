"""The outside world into shards: sources, recipes, checks, build. Never loads torch."""
