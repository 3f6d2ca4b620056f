"""Configures Sphinx for these pages; `sphinx-build -W -n --keep-going docs build/docs` builds them offline.

The output that a page shows comes from running its code blocks (ash_docs/). The examples are run by sphinx-gallery. The
reference comes from the docstrings, and the figures of benches from bench/.
"""

import os
import sys
from pathlib import Path

import matplotlib

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("NO_COLOR", "1")
matplotlib.use("Agg")

import ash

# The blocks of pages write into this folder. Sphinx warns if a static folder does not exist when the build starts.
Path(__file__).with_name("generated").mkdir(exist_ok=True)

project = "ash"
author = "ash developers"
project_copyright = "ash developers, BSD-3-Clause"
version = release = ash.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "ash_docs.llms",
    "ash_docs.pages",
]
exclude_patterns = ["examples"]
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "deflist", "attrs_block", "attrs_inline"]
myst_heading_anchors = 3
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"

# Reference: types are in the docstrings, so signatures show only names and defaults.
default_role = "py:obj"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autosummary_generate = True
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"
nitpicky = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "image_srcset": ["2x"],
    "download_all_examples": False,
    "notebook_extensions": set(),
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "ash"
html_static_path = ["_static", "generated"]
html_css_files = ["ash.css"]
html_logo = "_static/ladder.svg"
html_favicon = "_static/ladder.svg"
html_show_sourcelink = False
html_sidebars = {"index": [], "start": []}
html_theme_options = {
    "logo": {"text": "ash"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "github-dark",
}
