"""Numbered migrations; applied by ``collector.migrate``."""
