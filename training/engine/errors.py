"""What stops a training, as one line for the person who started it."""


class TrainingError(Exception):
    """The message says what is wrong and where; the command line prints it and exits with 1."""


class UnreadablePicture(TrainingError):
    """A file of a data folder cannot be decoded."""


class NoPictures(TrainingError):
    """A data folder is absent or holds no picture."""


class WeightsMismatch(TrainingError):
    """A file of weights is not of the network that it is for."""


class UnsafeCheckpoint(TrainingError):
    """A checkpoint would run code when it is opened."""


class AnotherFile(TrainingError):
    """A file has the name of published weights, but not their content."""


class ExportRejected(TrainingError):
    """The name, the licence or the parity keeps weights out of the folder of weights."""


class ResumeMismatch(TrainingError):
    """A checkpoint is damaged, or of another training than the one that would continue."""


class LossNotFinite(TrainingError):
    """A loss or a weight is NaN or infinite; the last checkpoint is good."""


class CheckpointNotSaved(TrainingError):
    """The disk refused it; the checkpoint before it is good."""
