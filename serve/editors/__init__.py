"""Editors: several behind one service.

paired_service  editor=both: images of seeds are a generator's, photos are developed
"""
