"""Recommending looks of people's own photos.

look_service   the recommendation service for photos under looks
look_choices   what photos that somebody edited say, as choices between looks
"""
