"""The algorithms, trainers and executor an experiment can name."""
