"""Networks that only train or teach: discriminators and published teachers. None is served."""
