"""Settings of the documentation site: `make docs` writes it to build/site."""

project = "Walrus-PDE"
extensions = ["myst_parser"]
root_doc = "index"
html_title = "Walrus-PDE"
html_theme_options = {
    "description": "A data and training pipeline for physics foundation models",
    # A line of code of 110 characters fits.
    "page_width": "1280px",
    "body_max_width": "none",
    "code_font_size": "0.8em",
    "sidebar_width": "230px",
    # The pages of decisions, which one page lists, would fill the bar.
    "sidebar_includehidden": False,
}
html_static_path = ["_static"]
html_copy_source = False
html_show_sourcelink = False
