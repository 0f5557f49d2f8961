"""Commands that need no Ray: one file, one command, one page.

A command's module has `main(settings, run)`, whose settings are a frozen dataclass.
"""

COMMANDS = {
    "import": (
        "beholder.commands.import_",
        "tables of judgements, embeddings or a StyleGAN2 from elsewhere -> the workspace",
    ),
    "export": ("beholder.commands.export", "embeddings -> the files of clip-retrieval, or a FAISS index"),
    "edit": (
        "beholder.commands.edit",
        "a photo of a face, or a seed -> the picture moved along directions, put back into the photo",
    ),
    "diffuse": (
        "beholder.commands.diffuse",
        "any photo -> the picture moved along instructions and sliders by a diffusion pipeline (the extra diffusion)",
    ),
    "invert": ("beholder.commands.invert", "a photo of a face -> its latent, to be edited again and again"),
    "directions": (
        "beholder.commands.directions",
        "what a generator's pictures can be moved along: listed, and drawn from -3 to 3",
    ),
    "directions words": (
        "beholder.commands.directions_words",
        "what people are told of each direction, and on how many pictures the CLIP says the same",
    ),
    "ask": ("beholder.commands.ask", "two edits of an image, which is better? A few rounds, then the one you will like most"),
    "recommend": ("beholder.commands.recommend", "the edit of an image that a person will like most, and why"),
    "learn": ("beholder.commands.learn", "photos before and after somebody edited them -> what this person likes, as choices"),
    "choices": ("beholder.commands.choices", "what people chose: counted, written, read, or a person forgotten"),
    "keys": ("beholder.commands.keys", "who may ask the service what: keys listed, made, revoked"),
    "study new": ("beholder.commands.study_new", "a study made from a YAML file; template=FILE writes one to begin from"),
    "study invite": ("beholder.commands.study_invite", "links of their own for a study's participants"),
    "study status": ("beholder.commands.study_status", "how far studies are, and how balanced"),
    "study close": ("beholder.commands.study_close", "a study that nobody may join any more"),
    "study export": ("beholder.commands.study_export", "a study's answers as .csv, .parquet or .xlsx files that import reads"),
    "directions import": (
        "beholder.commands.import_directions",
        'other programs" directions (InterFaceGAN, GANSpace, StyleSpace, StyleCLIP, ...), alpha measured on the generator',
    ),
    "bench import": ("beholder.commands.bench_import", "seconds and memory that a table of a million ratings takes"),
    "build portraits": (
        "beholder.commands.build_portraits",
        "the networks that ship with the project, trained again from drawings",
    ),
    "evaluate faces": ("beholder.commands.evaluate_faces", "how near the crops of one detector of faces are to another's"),
    "evaluate looks": (
        "beholder.commands.evaluate_looks",
        "how far a step of each direction of looks goes on photos, a contact sheet, and how fast looks are drawn",
    ),
    "evaluate portraits": (
        "beholder.commands.evaluate_portraits",
        "what these networks reach on fresh drawings, beside their goals",
    ),
}
