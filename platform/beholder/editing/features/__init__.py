"""Features: detail of photos that w+ loses, kept as features of a layer and carried through edits (StyleFeatureEditor, CVPR 2024).

feature_networks   the contract of encoder, fuser and feature editor, and small networks that sign it
detail_drawing     a photo with its detail: F_k refined, and under edits
published_features StyleFeatureEditor's own networks
"""
