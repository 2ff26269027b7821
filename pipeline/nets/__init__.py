"""The networks as torch modules, shared by training, export and the torch engine.

Importing this package imports nothing; each module in it imports torch.
"""
