"""People's own photos under looks.

look_search    the best looks of a photo, or the one look of several, searched and scored exactly
"""
