"""A sample library to try Assetry with: real files, drawn and written here."""
