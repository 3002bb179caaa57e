"""report.html of a built dataset."""
