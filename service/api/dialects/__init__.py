"""The public APIs, each a dialect of the kernel. They never see each other."""
