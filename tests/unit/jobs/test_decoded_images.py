"""Decoding parts of a list, and writing what came of them into one array: in any order, without what can't be read; no Ray."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from beholder import images
from beholder.images import Fit
from beholder.jobs._decoded_images import decode_part, write_pixels


def test_parts_in_any_order_are_the_images_that_can_be_read(tmp_path, scene: Callable[..., np.ndarray]) -> None:
    fit, names = Fit(16), [f"{at}.png" for at in range(7)]
    for at, name in enumerate(names):
        (tmp_path / name).write_bytes(b"broken" if at in (2, 6) else images.encode(scene(20, 16, at), format="PNG"))
    uris = [str(tmp_path / name) for name in names[:-1]] + [str(tmp_path / "none.png")]
    listed = pa.table({"image_id": names, "uri": uris, "row": range(7)})
    blocks: list[pa.Table] = []
    digests: dict[int, bytes] = {}
    refused: dict[int, str] = {}
    for part in (listed.slice(4), listed.slice(0, 4)):
        pixels, some, reasons = decode_part(part, fit)
        blocks.append(pixels)
        digests |= some
        refused |= reasons
    assert sorted(digests) == [0, 1, 3, 4, 5]
    assert refused[2].startswith("2.png is left out: ")
    assert refused[6].startswith("6.png is left out: ")
    rows = np.array(sorted(digests))
    whole = pa.concat_tables([blocks[0].slice(1), blocks[1], blocks[0].slice(0, 1)])  # as a store may cut and join them
    found = np.zeros((5, 16, 16, 3), np.uint8)
    write_pixels(whole, found, rows=rows)
    expected = [images.decode_fit((tmp_path / names[row]).read_bytes(), fit) for row in rows]
    np.testing.assert_array_equal(found, np.stack(expected))
    assert len(set(digests.values())) == 5
    assert digests[3] == decode_part(listed.slice(3, 1), fit)[1][3]
