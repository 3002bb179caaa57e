"""Settings of the documentation site: `make docs` writes it to build/site."""

project = "Walrus-PDE"
extensions = ["myst_parser"]
root_doc = "index"
html_title = "Walrus-PDE"
html_theme_options = {
    "description": "A data and training pipeline for physics foundation models",
    "page_width": "1100px",
    "sidebar_width": "230px",
}
html_copy_source = False
html_show_sourcelink = False
