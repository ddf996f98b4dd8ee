"""A sample library for trying Assetry: real files, generated here."""
