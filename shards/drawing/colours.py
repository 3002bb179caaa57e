"""The colours of every picture and page, and what each stands for."""

INK, GREY, PALE, SOLID = "#1f2328", "#6e7781", "#d8dee4", "#aab1b8"
# Three lines in one picture: the first is what the picture is about, and the links of a page.
BLUE, ORANGE, GREEN = "#0b5cad", "#c9681a", "#2a8c6e"
# What is compared with.
MUTED = "#818b94"
# One thing as time goes on.
EARLY, MIDDLE, LATE = "#a9cbec", "#4a8fd1", "#0a3a6b"
