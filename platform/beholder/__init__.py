"""The library: knows images and people, has never heard of Ray or HTTP.

errors        a user's mistake, said in one line
config        configs/ and key=value overrides -> frozen dataclasses
cli           `beholder <command> key=value ...`
storage       bytes at a path or a URI, written whole or not at all
workspace     where tables and runs lie
tables        the schema of every table
runs          the folder that a command leaves behind
progress      a bar on a terminal, plain lines elsewhere
terminal      pictures on a terminal, and less noise
plots         figures of reports
report        a page for people, in one HTML file
images        bytes -> uint8 RGB [H, W, 3]; the only decoding and resizing
encoder       images and texts -> unit embeddings
listing       a folder, a glob, a list or a prefix -> (image_id, uri)
catalogue     the images of a workspace, and what was learned of their files
embeddings    the table image_id -> vector, and vectors computed elsewhere
pickles       reading a pickle without running anything in it
judgements    ratings and comparisons, merged and counted
sheet         one .xlsx file as rows that remember where they stood
spreadsheets  the .xlsx schema -> judgements, every refused one accounted for
taste/        models of what each person sees in images
evaluation    agreement with judgements that a taste never saw
editing/      images as points in a latent space, moved along directions
recommending/ from a person's choices to the edit that they will like most
portraits/    drawn faces whose truth is known, and simulated people
weights       networks that ship with the project
keys          who may ask the service what
ports         whether one of this machine is free
memory        how much of it a process keeps
threads       work on many pictures divided among them
signals       who handles them, whatever libraries do
"""
