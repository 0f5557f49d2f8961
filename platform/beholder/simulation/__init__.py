"""Simulation: simulated people who answer the recommender's questions, so that every claim has a right answer.

simulated_people (their tastes over the traits of portraits), look_people (theirs over how a photo looks), look_examples (what
they made of photos), ground_truth (a few images under every candidate, drawn and encoded), rounds (questions asked and
answered), summary (means with intervals over people and images; what is told beside what is true), noticeable (how far apart
embeddings of pictures are that can be told apart), surrogate_error (predicted embeddings compared with those of drawn images),
taste_questions (questions that real people have answered already, asked in one order or another).
"""
