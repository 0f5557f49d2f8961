"""Recommending: from a person's choices to the edit that they will like most.

choices/ (what was asked and answered, kept), interactions (the same as a CSV file).
"""
