"""Embeddings of images: the table that holds them, batches of images on their way there, and what is known already.

embeddings    the table image_id -> vector of one encoder: Parquet shards
exports       the table in the files of other programs
image_batch   images read, decoded and stored, batch by batch
known_images  which images of a list have an embedding, by digests
digest_index  a sorted array of digests
"""
