"""The networks that are trained, a file each."""
