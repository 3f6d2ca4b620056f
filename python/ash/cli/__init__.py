"""The command `ash-tune`. Start with cli.py; each other module is a subcommand or what they share."""
