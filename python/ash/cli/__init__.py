"""The command `ash-tune`. Start with cli.py; the other modules are subcommands, or shared by them."""
