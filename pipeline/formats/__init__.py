"""What the files of each format say beside their pixels, and the kinds that Pillow cannot read.

Nothing here decides on limits: ``pipeline.decode`` asks for sizes first and for pixels afterwards,
and ``pipeline.decoder`` runs all of it in a process of its own.
"""
