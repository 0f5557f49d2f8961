"""Own photos: the recommendation service for people's own photos, of anything.

look_service  photos developed along photographic directions; every candidate is drawn small
"""
