"""Taste: models of each person's utility for images.

contract          what every taste can do, and how a kind of taste is fitted, loaded and rid of a person
dataset           judgements by number: what tastes are fitted to
validation        pairs to judge by, the policy for ties, the scale that makes utilities logits
splits            judgements divided so that nothing of a test is known in training
rating_scale      ratings made comparable between people, and judgements as observations of weights
gaussian          Gaussian posteriors of weights by Laplace's method, and a prior learned over people
population        the taste that everybody shares: what all others are compared with
bayes             the population's as prior, a covariance learned over people, a posterior per person
covariance_em     the covariance over people by expectation maximisation, over blocks of people
person_block      the judgements and the posteriors of many people at once
sharded_bayes     the Bayesian taste of very many people, a block of people at a time
person_shards     posteriors of very many people in files, read by person
judgement_partitions  judgements divided by people, read by block
person_features   what a person's own weights are on
mlp, lora         the published architectures: a network on embeddings, CLIP with LoRA
clip_vision       CLIP's vision transformer with a person's token after CLS, for lora
clip_text         attributes and questions as text, with a person's token in it, for lora
zero_shot         what a question in words that a taste was not fitted to is answered from, for lora
likelihood        the likelihood of judgements given utilities, for networks
training          the training loop of the tastes that are networks
ensemble          a weighted sum of other tastes
image_effects     what others' judgements of an image say beyond their tastes
effect_shards     image effects in files, read by image
taste_loadings    how people's tastes differ, in a few numbers
warm_taste        a taste with image effects
warm_images       tastes to be judged with what others said of the images
few_shots         people who are new to a taste, and tastes that meet them
shrinkage         how far each person is served their own taste
pixel_taste       a taste of embeddings that takes pixels
taste_factory     every kind by name: fit, load, forget
taste_registry    tastes in a workspace: safetensors and a card
"""
