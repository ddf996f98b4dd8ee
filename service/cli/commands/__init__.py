"""The implementation of each command. Imported only when the command runs, so that ``assetry --help`` is fast."""
