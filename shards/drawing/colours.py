"""The colours of all pictures and pages, and what each means."""

INK, GREY, PALE, SOLID = "#1f2328", "#6e7781", "#d8dee4", "#aab1b8"
# Three lines in one picture; the first is for the subject of the picture, and for links.
BLUE, ORANGE, GREEN = "#0b5cad", "#c9681a", "#2a8c6e"
# For the reference in a comparison.
MUTED = "#818b94"
# For one quantity at three times.
EARLY, MIDDLE, LATE = "#a9cbec", "#4a8fd1", "#0a3a6b"
