"""The files port on a folder, and the other things that the embedded set-up keeps on this machine."""
