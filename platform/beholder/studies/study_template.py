"""A study's file with every setting explained, to begin from."""

TEMPLATE = """# A study: `beholder study new FILE`, then `beholder study open NAME`. A text is the same for all languages, or there
# is one for each: {en: "Which face?", de: "Welches Gesicht?"}. Every setting may be left out but name.

name: faces                   # in the address: /study/faces
images: photos                # a folder, URI or list; left out: all images of the workspace
title: A study about faces
languages: [en]               # en, de and fr are built in; the first is the default
join: anybody                 # or invited: `beholder study invite NAME count=40` makes links
participants: 0               # at most; 0: any number
external_id: ""               # the parameter of the address that holds a panel's id, such as PROLIFIC_PID

consent: |
  You will see pictures of faces and say how attractive you find them. It takes about five minutes.

  Your answers are kept under a number, without your name. You can stop at any time, and have everything deleted.

questions:                    # each is asked about every image or pair
  - attribute: attractive
    rating: How attractive is this face?
    pair: Which face is more attractive?

ratings:                      # images one by one
  per_person: 24              # 0: none
  low: 1                      # the scale; the .xlsx schema has 1 to 4, CSV and Parquet any
  high: 4
  low_label: not at all
  high_label: very
  not_sure: true              # offer "not sure", which is kept apart from the ratings
  repeats: 2                  # shown a second time: how consistent somebody is
  checks: 1                   # attention checks

pairs:                        # two images, of which one is chosen
  per_person: 20
  choose: random              # random, round_robin, or active (where all answers so far leave most open)
  third: not_sure             # none, tie or not_sure
  show: side_by_side          # or flip: both in one place
  repeats: 2                  # sides exchanged
  checks: 1

order: [ratings, pairs]
gap: 8                        # trials between an item and its repetition, at least
release_minutes: 30           # what somebody left unanswered for so long may be shown to others
picture_px: 1024              # longer side of the pictures that participants get

before:                       # a questionnaire: kind text, number or choice
  - {id: age, text: "How old are you?", kind: number, low: 16, high: 120}
  - {id: gender, text: "What is your gender?", kind: choice, options: [female, male, other], required: false}
after:
  - {id: remarks, text: "Is there anything you want to tell us?", required: false}

completion:
  text: Thank you for taking part.
  code: ""                    # a completion code to be copied
  redirect: ""                # such as https://app.prolific.com/submissions/complete?cc={code}
"""
