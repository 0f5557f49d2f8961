"""Ray on the online side: thin deployments around the library."""
