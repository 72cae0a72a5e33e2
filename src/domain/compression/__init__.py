"""Removing tokens from one text."""
