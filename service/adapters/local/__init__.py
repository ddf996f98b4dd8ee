"""The files port on a folder, and what else the embedded set-up keeps on this machine."""
