"""Recommending: from a person's choices to the edit that they will like most.

components     what a recommendation is made of, as one config; build_service puts it together
service        the recommendation service: questions, answers, recommendations, what is known of a person, erasure
candidates     the edits to choose among: directions at a grid of alphas, and pairs of them; which directions are offered
edit_set       edits of one image as a ranker sees them; a comparison of two
edit_features  edit sets of candidates, embedded by the surrogate or drawn and encoded
surrogate/     a network that predicts the embedding of an edited image without drawing it
rankers/       models of who would choose which edit
posteriors     each person's posterior, never older than the store; the prior that all share
acquisition    which question to ask next, and what a person can answer: expected utility of the best option, noise, repeats
ranking        the best candidates, drawn and ranked again
steering       what a person lets change, versions of an edit, and versions that differ
explanations   a person's preferences and the reasons for an edit, in words
image_library  the images that people are asked about: seeds and inverted photos, drawn under edits
own_photos/    the search for the best looks of a photo, or the one look of several
look_service   the same service for people's own photos under looks
image_scoring  images scored for a person on an attribute or a question in words
store/         questions, answers, uploads and API keys in a database
"""
