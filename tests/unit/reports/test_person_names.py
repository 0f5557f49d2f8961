"""Names of people whose ids nobody can read."""

import hashlib

from beholder.reports.person_names import person_names


def test_names_that_people_gave_are_kept():
    given = ["ana", "participant-0001", "p7", "佐藤", "ana@example.org", "steady 3", ""]
    assert person_names(given) == {each: each for each in given}


def test_hashes_and_codes_become_two_words():
    opaque = ["79b64dae036036c0790c453f", "123e4567-e89b-12d3-a456-426614174000", "A1B2C3D4E5F6G7", "20250101123456"]
    names = person_names(opaque)
    assert all(len(name.split()) == 2 and name.replace(" ", "").isalpha() for name in names.values())
    assert len(set(names.values())) == 4


def test_a_name_follows_from_the_id_alone():
    ids = [hashlib.sha256(bytes([at])).hexdigest()[:24] for at in range(200)]
    alone = {each: person_names([each])[each] for each in ids}
    names = person_names(ids)
    assert all(name.startswith(alone[each]) for each, name in names.items())


def test_no_name_stands_for_two():
    ids = [hashlib.sha256(str(at).encode()).hexdigest()[:24] for at in range(5000)]
    names = person_names(ids)
    assert len(set(names.values())) == 5000
    shared = [name for name in names.values() if len(name.split()) == 3]
    assert len(shared) > 1000  # there are fewer pairs of words than people
