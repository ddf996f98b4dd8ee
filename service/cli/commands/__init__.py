"""What each command of the command line does. Imported when it runs, so that ``assetry --help`` is quick."""
