"""One file a family of benchmark files; the file's name is the source's name in a recipe."""
