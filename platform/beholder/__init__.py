"""The library: knows images and people, has never heard of HTTP, and of Ray through one door (ray_connection).

errors        a user's mistake, said in one line
config        configs/ and key=value overrides -> frozen dataclasses
cli           `beholder <command> key=value ...`
commands/     commands that need no Ray
storage       bytes at a path or a URI, written whole or not at all
artifacts     named arrays as safetensors and a card in JSON, written whole, read with one-line errors
cache         a bounded cache that threads share
workspace     where tables and runs lie
tables        the schema of every table
runs          the folder that a command leaves behind
progress      a bar on a terminal, plain lines elsewhere
terminal      pictures on a terminal, and less noise
plots         figures of reports
report        a page for people, in one HTML file
images        bytes -> uint8 RGB [H, W, 3]; the only decoding and resizing
image_index   which images there are: a folder, a glob, a list, a prefix, a workspace
encoder       images and texts -> unit embeddings
embeddings    the table image_id -> vector, and vectors computed elsewhere
judgements    ratings and comparisons, merged and counted
spreadsheets  the .xlsx schema -> judgements, every refused one accounted for
safe_pickle/  reading a pickle without running anything in it
taste/        models of each person's utility for images
tuning/       a search over a taste's settings
statistics    log-loss of choices, intervals by bootstrap, rank correlation
evaluation    agreement with judgements that a taste was not fitted to
editing/      images as points in a latent space, moved along directions
recommending/ from a person's choices to the edit that they will like most
simulation/   simulated people beside the recommender
portraits/    drawn faces whose truth is known, and simulated people
weights       networks that ship with the project
api_keys      who may ask the service what
ray_connection which Ray, and connecting to it
process       this process: memory, ports, signals, threads
jobs/         Ray on the batch side (a link to the folder at the top)
serve/        Ray on the online side (a link)
configs/      YAML values (a link)
data/         the sample and the default weights (a link)
"""
