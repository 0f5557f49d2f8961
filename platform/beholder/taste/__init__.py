"""Taste: models of what each person sees in images.

contract    what every taste can do: utilities, differences with their uncertainty, tensors to keep
evidence    judgements by number: what tastes are fitted to, and how it is divided without leaks
kinds       the one place that knows every kind of taste: fit and load by name
registry    tastes in the workspace: safetensors and a card
population  nobody's taste: the yardstick
bayes       the population as prior, a covariance learned over people, a posterior per person
mlp, lora   the published architectures
tower       CLIP's vision transformer with a person's token after CLS, for lora
wording     attributes and questions as text, with a person's token in it, for lora
seeing      a taste of embeddings that is shown pixels
fit         the one training loop of the networks
stacked     a network of their own for each of many people, fitted at once
spaces      which values of which knobs a search may try, as text
trials      one setting of a search, fitted for everybody and marked
choosing    which setting each person gets, and whether that is more than luck
"""
