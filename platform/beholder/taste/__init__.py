"""Taste: models of what each person sees in images.

contract    what every taste can do: utilities, differences with their uncertainty, tensors to keep
evidence    judgements by number: what tastes are fitted to
kinds       the one place that knows every kind of taste: fit and load by name
registry    tastes in the workspace: safetensors and a card
splits      evidence divided so that nothing of a test is known in training
scores      ratings on any scale, made comparable between people
population  nobody's taste: the yardstick
bayes       the population as prior, a covariance learned over people, a posterior per person
gaussian    beliefs about weights, from many judgements or from one
features    what a person's own weights are about
trust       how far each person is served their own
mlp, lora   the published architectures
tower       CLIP's vision transformer with a person's token after CLS, for lora
wording     attributes and questions as text, with a person's token in it, for lora
seeing      a taste of embeddings that is shown pixels
likelihood  what judgements say of utilities, for networks
held_out    the judgements that stop a fit, and the slope that makes utilities logits
fit         the one training loop of the networks
stacked     a network of their own for each of many people, fitted at once
spaces      which values of which knobs a search may try, as text
trials      one setting of a search, fitted for everybody and marked
choosing    which setting each person gets, and whether that is more than luck
"""
