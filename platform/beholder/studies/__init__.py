"""Studies: judgements collected from participants.

study_config       a study's YAML file as dataclasses
page_words         what the participant's page says, in each language
design             which image or pair is shown next, so that all are shown equally often, and on either side
population_utility what all answers so far say of each image, for pairs that the population's model is least sure of
study_records      trials, answers, sessions, and how far a study is
study_tables       the tables of studies in the store
stored_study       a study and its trials as the store keeps them, read into records
trial_assignment   the next trials of a participant, in the transaction that keeps an answer
study_store        studies, participants and trials in the store; nothing acknowledged is lost
study_service      a study as participants and the researcher use it
judgement_log      answers as rows of the workspace's tables
answer_files       answers as the files that `beholder import` reads
"""
