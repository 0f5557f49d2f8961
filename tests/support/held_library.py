"""An image library whose photos take until they are released, or given up."""

import threading
from collections.abc import Callable

from beholder.recommending.image_library import Abandoned, LibraryImage


class HeldLibrary:
    """begun, abandoned: the people whose photo was begun, and given up."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.begun: list[str] = []
        self.abandoned: list[str] = []

    def add_photo(self, data: bytes, user_id: str, *, aligned: bool, abandoned: Callable[[], bool]) -> LibraryImage:
        self.begun.append(user_id)
        while not self.release.wait(0.01):
            if abandoned():
                self.abandoned.append(user_id)
                raise Abandoned
        return LibraryImage(f"photo-{user_id}", "photo", 8, 0.1)

    def image(self, image_id: str) -> LibraryImage:
        return LibraryImage(image_id, "seed", 8)
