"""Tuning: a search over a taste's settings, and which setting each person should get.

search_space (which values a search may try), trial (one setting fitted and judged), selection (the setting that each person gets),
stacked (a network for each of many people, fitted at once), stacked_batch (their judgements as rows of the same tensors).
"""
