"""The documentation's own extension of Sphinx: pages whose blocks are run, names that are links, drawings.

page.md --blocks.py--> blocks, run in order --pages.py--> page with what they have shown --> Sphinx
                            |
                            +--> tests/docs/test_docs.py, without Sphinx

all pages --llms.py--> llms.txt, an index as plain text
"""
