"""Sphinx extensions of this documentation: they run the code blocks of pages, link names, and draw pictures.

page.md --blocks.py--> blocks, run in order --pages.py--> page with the outputs of its blocks --> Sphinx
                            |
                            +--> tests/docs/test_docs.py, without Sphinx

all pages --llms.py--> llms.txt, an index as plain text
"""
