"""Says what a file is, and how the files of a folder belong together."""

__all__ = [
    "dates_and_steps",
    "file_arrangement",
    "file_names",
    "file_times",
    "folder",
    "folder_contents",
    "identify",
    "inspect",
    "other_files",
    "restarting_times",
    "streams",
    "text",
    "text_table",
    "variable_files",
]
