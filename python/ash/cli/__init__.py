"""The command `ash-tune`. Start with cli.py; the other modules contain subcommands or code that they share."""
