"""The Walrus architecture, a file a concept."""
