"""Pictures by matplotlib, a module for each subject. They draw what ash/history computes; results call them."""
