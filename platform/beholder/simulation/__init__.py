"""Simulation: simulated people beside the recommender, so that every claim has a right answer.

simulated_people (their tastes over the traits of portraits), ground_truth (a few images under every candidate, drawn and encoded),
rounds (questions asked and answered), summary (means and intervals over people), surrogate_error (predicted embeddings beside drawn
ones).
"""
