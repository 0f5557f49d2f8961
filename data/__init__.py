"""What ships with the project: the sample dataset and the default weights."""
