"""Pictures and pages: the look that all of them share."""
