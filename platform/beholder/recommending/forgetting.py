"""Forgetting: everything of a person removed, and a receipt of what it was."""

from dataclasses import dataclass

from beholder.recommending.choices.store import Store
from beholder.storage import Place
from beholder.taste import registry
from beholder.workspace import Workspace


@dataclass(frozen=True)
class Receipt:
    """What was removed: questions and answers of the store, images that only this person brought, and their part in tastes."""

    user_id: str
    questions: int
    answers: int
    images: int
    tastes: tuple[str, ...]

    def __str__(self) -> str:
        tastes = f"their part in {', '.join(self.tastes)}" if self.tastes else "no part in any taste"
        return f"{self.user_id}: {self.questions} questions, {self.answers} answers, {self.images} images, {tastes} removed"


def forget(store: Store, workspace: Workspace, user_id: str) -> Receipt:
    """Remove a person's images, their part in tastes, then their choices. Cut off in the middle, it can be done again.

    What many people share, a population's taste, was learned from this person too; only a new fit is wholly without.
    """
    uris = store.uploads(user_id)
    for uri in uris:
        Place.at(uri).delete()
    tastes = registry.forget(workspace.models, user_id)
    gone = store.forget(user_id)
    return Receipt(user_id, gone.questions, gone.answers, len(uris), tuple(tastes))
