"""The command `ash-tune`. Start with command.py; the other modules contain subcommands or code that they share."""
