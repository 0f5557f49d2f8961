"""Ray on the online side: thin deployments around the library.

graph (what the service can be asked), local (all of it in this process), deployments (Editor, Encoder and Ranker on Ray Serve),
spread (the graph on them), answers (what comes back), assembly (what they are made of), fleet (how many of them, and how large).
api (the graph as HTTP), wire (its bodies), problems (its errors), pictures (its images), limits (what a request may cost),
turns and doors (who is let in now), porch (what stands in Serve's proxies), keys and guard (who may come in), metrics.
settings, entrance (whom they let in), app (for `serve build`), cluster and command (`beholder serve`), page/ (the web page).
"""

COMMANDS = {"serve": ("beholder.serve.run", "the whole service: a page and an API that ask people, learn and recommend")}
