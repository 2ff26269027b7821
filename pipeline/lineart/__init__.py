"""Line drawings coloured: lines taken out of a picture, colours laid under them.

The package imports nothing by itself: its modules are named one by one.
"""
