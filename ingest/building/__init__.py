"""From source files to shards: plan, check, write, merge, verify."""
