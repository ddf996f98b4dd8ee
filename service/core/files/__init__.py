"""The files of assets: imports, links, renditions, and files that nothing needs any more."""
