"""Shared by all pictures and reports: planes of a grid, their canvas and colours, the HTML page."""

__all__ = ["canvas", "colours", "even_choice", "gif", "html_page", "plane", "plane_image", "viewer"]
