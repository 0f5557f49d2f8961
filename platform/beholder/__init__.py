"""The library: images, people and their tastes. It knows no HTTP, and Ray through one file (ray_connection).

errors        the exceptions; a user's mistake is one line
identifiers   what the names of people, images and attributes may consist of
config        configs/ and key=value overrides -> frozen dataclasses
cli           `beholder <command> key=value ...`
command_index which commands there are, their groups, settings and examples
command_help  help on the terminal
settings_import a command's settings, without what the command works with
run_history   the runs of a workspace: found, compared
commands/     commands that need no Ray
storage       files at a path or a URI, written whole or not at all
artifacts     named arrays as safetensors and a card in JSON, written whole, read with one-line errors
cache         a bounded cache that threads share
workspace     the folder or bucket of tables, embeddings, models and runs
tables        the schema of every table
table_log     a table that many may write at once: parts, merged when read
runs          the run folder of a command
tracking      a run recorded in MLflow or Weights & Biases as well
progress      a progress bar on a terminal, plain lines elsewhere
terminal      pictures on a terminal, filtered output
plots         figures, told apart without colour
reports/      reports that people look at, each one HTML file
images        bytes -> uint8 RGB [H, W, 3]; the only decoding and resizing
colour        sRGB, linear light, Oklab, CIELAB, and CIEDE2000
image_lists   images by URI, from a folder, prefix, glob or list, part by part
image_shards  images in tars and Parquet files
client/       the HTTP client of the service, installable alone
helper_process a module run as a process that answers requests, and is killed where it takes too long
http_file     the bytes at an http(s):// URL
image_index   a list of images as the workspace knows them
encoder       images and texts -> unit embeddings
clip_weights  the weights of a CLIP as people keep them
light_import  open_clip and torchvision without what they import for others
look_descriptor how a picture looks, in numbers: encoder=looks
embedding/    images on their way to embeddings, and the table of these
importing/    tables of judgements and vectors as other people keep them, read block by block
spreadsheets  the .xlsx files of labelling tools -> judgements, refused ones with the reason
safe_pickle/  reading a pickle without running code in it
taste/        models of each person's utility of images
interface/    what `import beholder as bh` offers: fit, embed, edit, Recommender, quality, evaluate
quality/      which people's judgements can be believed, and weights for fits
tuning/       hyperparameter search for a taste
statistics    log-loss of choices, intervals by bootstrap, rank correlation
evaluation    agreement of a taste with held-out judgements
editing/      images as latents of a generator, moved along directions
recommending/ from a person's choices to the edit with the highest expected utility
simulation/   simulated people who answer the recommender's questions
studies/      judgements collected from participants: design, trials, exports
portraits/    a world of drawn faces with known ground truth, and the training of what ships
weights       the networks that ship with the project
api_keys      API keys with scopes, the people they speak for, and an expiry
person_tokens tokens of one person each, signed with an application's key
ray_connection which Ray, and connecting to it
process       allocator and thread settings, ports, signal handlers, rows mapped over threads
jobs/         Ray on the batch side (a link to the folder at the top)
serve/        Ray on the online side (a link)
configs/      YAML values (a link)
data/         the sample and the default weights (a link)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # at run time `__getattr__` imports each where it is first used
    from beholder.errors import BeholderError as BeholderError
    from beholder.errors import InputError as InputError
    from beholder.interface.fitted_taste import FittedTaste as FittedTaste
    from beholder.interface.fitted_taste import load as load
    from beholder.interface.fitting import fit as fit
    from beholder.interface.image_embedding import embed as embed
    from beholder.interface.image_input import show as show
    from beholder.interface.judgement_quality import quality as quality
    from beholder.interface.picture import Picture as Picture
    from beholder.interface.picture_editing import directions as directions
    from beholder.interface.picture_editing import edit as edit
    from beholder.interface.recommender import Recommender as Recommender
    from beholder.interface.sample_study import sample as sample
    from beholder.interface.taste_estimators import TasteClassifier as TasteClassifier
    from beholder.interface.taste_estimators import TasteRegressor as TasteRegressor
    from beholder.interface.taste_evaluation import TasteEvaluation as TasteEvaluation
    from beholder.interface.taste_evaluation import evaluate as evaluate

    __version__: str

_WHERE = {
    "BeholderError": "errors",
    "FittedTaste": "interface.fitted_taste",
    "InputError": "errors",
    "Picture": "interface.picture",
    "Recommender": "interface.recommender",
    "TasteClassifier": "interface.taste_estimators",
    "TasteEvaluation": "interface.taste_evaluation",
    "TasteRegressor": "interface.taste_estimators",
    "directions": "interface.picture_editing",
    "edit": "interface.picture_editing",
    "embed": "interface.image_embedding",
    "evaluate": "interface.taste_evaluation",
    "fit": "interface.fitting",
    "load": "interface.fitted_taste",
    "sample": "interface.sample_study",
    "show": "interface.image_input",
}
__all__ = [
    "BeholderError",
    "FittedTaste",
    "InputError",
    "Picture",
    "Recommender",
    "TasteClassifier",
    "TasteEvaluation",
    "TasteRegressor",
    "__version__",
    "directions",
    "edit",
    "embed",
    "evaluate",
    "fit",
    "load",
    "quality",
    "sample",
    "show",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that `import beholder` costs nothing."""
    import importlib

    if name == "__version__":
        import importlib.metadata

        return importlib.metadata.version("beholder")
    if name == "quality":  # a package, which can be called: whoever imports one of its modules binds it to this name
        return importlib.import_module("beholder.quality")
    if name == "_quality":  # what that package calls
        return importlib.import_module("beholder.interface.judgement_quality").quality
    if name not in _WHERE:
        from beholder.errors import nearest

        hint = nearest(name, __all__)
        raise AttributeError(f"module 'beholder' has no attribute {name!r}{hint if 'did you mean' in hint else ''}")
    return getattr(importlib.import_module(f"beholder.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING", "Any"})
