"""What stops a training, as one line for the person who started it.

TrainingError
  UnreadablePicture   a file of a data folder cannot be decoded
  NoPictures          a data folder is absent or holds no picture
  WeightsMismatch     a file of weights is not of the network that it is for
  UnsafeCheckpoint    a checkpoint would run code when it is opened
  AnotherFile         a file has the name of published weights, but not their content
  StyleRefused        the name, the licence or the parity keeps weights out of the layer
  ResumeMismatch      a checkpoint is of another training than the one asked for
  LossNotFinite       a loss or a weight is NaN or infinite; the last checkpoint is good
  CheckpointNotSaved  the disk refused it; the checkpoint before it is good
"""


class TrainingError(Exception):
    """The message says what is wrong and where; the command line prints it and exits with 1."""


class UnreadablePicture(TrainingError):
    pass


class NoPictures(TrainingError):
    pass


class WeightsMismatch(TrainingError):
    pass


class UnsafeCheckpoint(TrainingError):
    pass


class AnotherFile(TrainingError):
    pass


class StyleRefused(TrainingError):
    pass


class ResumeMismatch(TrainingError):
    pass


class LossNotFinite(TrainingError):
    pass


class CheckpointNotSaved(TrainingError):
    pass
