"""Windows out of shards into batches: what a step reads, in which order, and by which rank."""
