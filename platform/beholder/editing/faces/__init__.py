"""Faces: from a photo to the aligned square that generators of faces were trained on, and back.

landmarks (where faces are), mtcnn (networks that find them), alignment (the square around one), photo (a photo with its square),
blending (a square put back).
"""
