"""Own photos: the recommendation service for people's own photos, of anything.

look_service       photos developed along photographic directions; every candidate is drawn small
diffusion_service  photos drawn by a diffusion pipeline, once under each of a few edits
drawn_photos       a photo's copy and its drawings in one file, so that they go together
drawn_embeddings   embeddings of looks, drawn small, by the descriptor and a CLIP; of a grid of drawings, and what lies between
look_search        the best looks of a photo, or the one look of several, searched and scored exactly
"""
