"""Says what a file is, and how the files of a folder belong together."""

__all__ = [
    "arranged_contents",
    "dates_and_steps",
    "file_arrangement",
    "file_names",
    "file_times",
    "folder",
    "folder_contents",
    "folder_names",
    "identify",
    "inspect",
    "named_files",
    "numbers_in_names",
    "other_files",
    "pattern_of_names",
    "restarting_times",
    "similar_names",
    "streams",
    "text",
    "text_table",
    "variable_files",
]
