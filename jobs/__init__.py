"""Ray on the batch side: one file, one command."""
