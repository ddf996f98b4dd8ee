"""``python -m service`` is ``assetry``."""

from service.cli import main

if __name__ == "__main__":
    main()
