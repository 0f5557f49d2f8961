"""The columns of published datasets, as their authors distribute them. Nothing of the datasets ships with the project."""

from dataclasses import dataclass

from beholder.errors import ConfigError, nearest
from beholder.importing.column_mapping import FILE, REST, ROW, ColumnMapping


@dataclass(frozen=True)
class PublishedShape:
    """How a published dataset keeps its judgements. about: what and by whom; mappings: tried in order, the first that fits a table.

    scale: of its scores; attribute: what was judged, where no column says so; choices: what a choice's column holds; delimiter:
    where it is an unusual one.
    """

    about: str
    mappings: tuple[ColumnMapping, ...]
    scale: str | None = None
    attribute: str | None = None
    choices: str | None = None
    delimiter: str | None = None


_PARA = "aestheticScore,qualityScore,compositionScore,colorScore,dofScore,contentScore,lightScore"

SHAPES: dict[str, PublishedShape] = {
    "scut_fbp5500": PublishedShape(
        "SCUT-FBP5500 (Liang et al. 2018), All_Ratings.xlsx: a sheet per group of faces, rows of Rater, Filename, Rating",
        (ColumnMapping(user_id="Rater", image_id="Filename", score="Rating"),),
        scale="1..5",
        attribute="attractive",
    ),
    "mebeauty": PublishedShape(
        "MEBeauty (Lebedeva et al. 2021), generic scores: a row per image, a column per rater with blanks; or a file per rater",
        (
            ColumnMapping(user_id=FILE, image_id="image", score="label"),
            ColumnMapping(image_id="image", raters=REST),
        ),
        scale="1..10",
        attribute="attractive",
    ),
    "omi": PublishedShape(
        "One Million Impressions (Peterson et al. 2022), attribute_ratings.csv: rows of participant, stimulus, attribute, rating",
        (ColumnMapping(user_id="participant", image_id="stimulus", attribute="attribute", score="rating"),),
        scale="0..100:0",
    ),
    "para": PublishedShape(
        "PARA (Yang et al. 2022), PARA-Images.csv: rows of userId, imageName and a score for each of seven attributes",
        (ColumnMapping(user_id="userId", image_id="imageName", scores=_PARA),),
        scale="1..5:0.5",
    ),
    "lapis": PublishedShape(
        "LAPIS (Maerten et al. 2025), individual ratings of paintings: rows of participant_id, image_filename, rating",
        (
            ColumnMapping(user_id="participant_id", image_id="image_filename", score="rating"),
            ColumnMapping(user_id="participant_id", image_id="image_filename", score="response"),
        ),
        scale="0..100:0",
        attribute="aesthetic",
    ),
    "flickr_aes": PublishedShape(
        "FLICKR-AES (Ren et al. 2017), image_labeled_by_each_worker.csv: rows of worker, imagePair, score",
        (ColumnMapping(user_id="worker", image_id="imagePair", score="score"),),
        scale="1..5",
        attribute="aesthetic",
    ),
    "eva": PublishedShape(
        "EVA (Kang et al. 2020), votes_filtered.csv with = between cells: rows of user_id, image_id, score",
        (ColumnMapping(user_id="user_id", image_id="image_id", score="score"),),
        scale="0..10",
        attribute="aesthetic",
        delimiter="=",
    ),
    "threedsk": PublishedShape(
        "3DSK (DeBruine and Jones 2020): a file per attribute, a row per rater, a column per face",
        (ColumnMapping(user_id=ROW, images=REST, attribute=FILE),),
        scale="1..7",
    ),
    "imagereward": PublishedShape(
        "ImageReward (Xu et al. 2023), train.json: a list of generations and the rank of each",
        (ColumnMapping(user_id="@everyone", image_id="generations", rank="ranking", group="id"),),
        attribute="preference",
    ),
    "pickapic": PublishedShape(
        "Pick-a-Pic (Kirstain et al. 2023), Parquet: rows of user_id, two images and the label of the first: 1, 0 or 0.5 (a tie)",
        (ColumnMapping(user_id="user_id", left="image_0_uid", right="image_1_uid", choice="label_0", at="created_at"),),
        attribute="preference",
        choices="1,0,0.5",
    ),
}


def find(name: str) -> PublishedShape:
    """Return a shape by its name. Raises ConfigError for an unknown one."""
    if name not in SHAPES:
        raise ConfigError(f"shape={name} is not known{nearest(name, sorted(SHAPES))}")
    return SHAPES[name]
