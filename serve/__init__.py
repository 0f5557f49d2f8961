"""Ray on the online side: thin deployments around the library.

graph (what the service can be asked), local (all of it in this process), deployments (Editor, Encoder and Ranker on Ray Serve),
api (the graph as HTTP), wire (its bodies), problems (its errors), pictures (its images), limits (what a request may cost),
keys and guard (who may come in), metrics (what is counted), app (the same app for `serve build`),
command (`beholder serve`), page/ (the web page).
"""

COMMANDS = {"serve": ("beholder.serve.command", "the whole service: a page and an API that ask people, learn and recommend")}
