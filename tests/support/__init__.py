"""What tests share: contract suites, doubles, hostile files, and formulas written a second time.

taste_suite, ranker_suite, store_suite, editor_suite: contracts that implementations inherit.
disc_service, surrogate_double, api_double: doubles that count, or fail when told to; page_visitor: a person in a browser;
process_group: a command that is killed with all it started.
partial_doubles: doubles that sign a Protocol, and leave it to a test to write what it is asked for.
hostile_checkpoints, hostile_directions: files that attack; published_checkpoints: checkpoints in the layouts of others.
reference_stylegan: StyleGAN2 from its paper's formulas.
"""
