"""The values of every setting, as YAML."""
