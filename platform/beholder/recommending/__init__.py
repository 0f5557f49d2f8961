"""Recommending: from a person's choices to the edit that they will like most.

parts (what it is made of), studio (an image drawn, and perceived under every candidate), recommender (the best of them).
candidates (edits to choose among), perception (their embeddings, told without drawing), exact (drawn and encoded).
rankers/ (who would choose what), questions (what to ask next), reasons (in words).
choices/ (what was asked and answered, kept), interactions (the same as a CSV file), faces, forgetting.
gallery (a few images under every candidate, drawn), simulated (people whose taste is known), simulation, outcomes.
"""
