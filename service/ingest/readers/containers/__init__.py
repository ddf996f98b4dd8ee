"""How files of pictures, films and sound are put together: where their sizes, dates and metadata blocks are."""
