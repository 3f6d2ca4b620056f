"""Pictures by matplotlib, a module for each subject. They draw what ash/history computes; methods of results call them."""
