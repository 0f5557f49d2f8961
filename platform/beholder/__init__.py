"""The library: knows images and people, has never heard of Ray or HTTP.

errors        a user's mistake, said in one line
config        configs/ and key=value overrides -> frozen dataclasses
cli           `beholder <command> key=value ...`
storage       bytes at a path or a URI, written whole or not at all
workspace     where tables and runs lie
tables        the schema of every table
runs          the folder that a command leaves behind
progress      a bar on a terminal, plain lines elsewhere
images        bytes -> uint8 RGB [H, W, 3]; the only decoding and resizing
encoder       images and texts -> unit embeddings
listing       a folder, a glob, a list or a prefix -> (image_id, uri)
catalogue     the images of a workspace, and what was learned of their files
embeddings    the table image_id -> vector, and vectors computed elsewhere
pickles       reading a pickle without running anything in it
judgements    ratings and comparisons, merged and counted
sheet         one .xlsx file as rows that remember where they stood
spreadsheets  the .xlsx schema -> judgements, every refused one accounted for
"""
