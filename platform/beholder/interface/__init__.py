"""What `import beholder as bh` offers: functions and classes for notebooks and programs, without Ray, YAML or a workspace.

table_input        tables of any library -> pandas, their columns checked and renamed
judgement_input    ratings and comparisons -> judgements by number
embedding_input    vectors of any library -> embeddings by image
image_input        pictures as paths, files, PIL, arrays, tensors -> uint8 RGB
labels             ids as they were given, and as text
fitting            fit: judgements and embeddings -> a taste
fitted_taste       FittedTaste: utilities, probabilities, one more choice; saved and loaded
taste_estimators   TasteRegressor and TasteClassifier, as scikit-learn has estimators
image_embedding    embed: pictures -> embeddings
picture            Picture: pixels that a notebook shows
picture_editing    edit: a picture moved along named directions
recommender        Recommender: questions, answers and recommendations for one person and image
judgement_quality  quality: which people can be believed
taste_evaluation   evaluate: agreement with judgements that a taste never saw
new_people         a taste judged on people whom it meets with a few comparisons
sample_study       sample: the study that ships with the project
"""
