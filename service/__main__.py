"""``python -m service`` is ``assetry``."""

from service.cli.main import main

if __name__ == "__main__":
    main()
