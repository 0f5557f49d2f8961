"""Commands that need no Ray: one file, one command, one page.

A command's module has `main(settings, run)`, whose settings are a frozen dataclass.
"""

COMMANDS = {
    "runs": ("beholder.commands.run_list", "the runs of a workspace: listed, shown, compared, opened", "start"),
    "open": ("beholder.commands.open_report", "the last report, in a browser", "start"),
    "doctor": (
        "beholder.commands.doctor",
        "what this machine has and lacks: versions, GPU, Ray, disk, extras, and how to get what is missing",
        "start",
    ),
    "completion": ("beholder.commands.completion", "completion with the tab key, for bash, zsh and fish", "start"),
    "import": (
        "beholder.commands.import_",
        "tables of judgements, embeddings or a StyleGAN2 from elsewhere -> the workspace",
        "data",
    ),
    "export": ("beholder.commands.export", "embeddings -> the files of clip-retrieval, or a FAISS index", "data"),
    "edit": (
        "beholder.commands.edit",
        "a photo of a face, or a seed -> the picture moved along directions, put back into the photo",
        "edit",
    ),
    "diffuse": (
        "beholder.commands.diffuse",
        "any photo -> the picture moved along instructions and sliders by a diffusion pipeline (the extra diffusion)",
        "edit",
    ),
    "invert": ("beholder.commands.invert", "a photo of a face -> its latent, to be edited again and again", "edit"),
    "directions": (
        "beholder.commands.directions",
        "what a generator's pictures can be moved along: listed, and drawn from -3 to 3",
        "edit",
    ),
    "directions words": (
        "beholder.commands.directions_words",
        "what people are told of each direction, and on how many pictures the CLIP says the same",
        "edit",
    ),
    "ask": (
        "beholder.commands.ask",
        "two edits of an image, which is better? A few rounds, then the one you will like most",
        "edit",
    ),
    "recommend": ("beholder.commands.recommend", "the edit of an image that a person will like most, and why", "edit"),
    "learn": (
        "beholder.commands.learn",
        "photos before and after somebody edited them -> what this person likes, as choices",
        "learn",
    ),
    "choices": ("beholder.commands.choices", "what people chose: counted, written, read, or a person forgotten", "data"),
    "keys": ("beholder.commands.keys", "who may ask the service what: keys listed, made, revoked", "serve"),
    "study new": ("beholder.commands.study_new", "a study made from a YAML file; template=FILE writes one to begin from", "data"),
    "study invite": ("beholder.commands.study_invite", "links of their own for a study's participants", "data"),
    "study status": ("beholder.commands.study_status", "how far studies are, and how balanced", "data"),
    "study close": ("beholder.commands.study_close", "a study that nobody may join any more", "data"),
    "study export": (
        "beholder.commands.study_export",
        "a study's answers as .csv, .parquet or .xlsx files that import reads",
        "data",
    ),
    "directions import": (
        "beholder.commands.import_directions",
        "other programs' directions (InterFaceGAN, GANSpace, StyleSpace, StyleCLIP, ...), alpha measured on the generator",
        "edit",
    ),
    "bench import": ("beholder.commands.bench_import", "seconds and memory that a table of a million ratings takes", "measure"),
    "build portraits": (
        "beholder.commands.build_portraits",
        "the networks that ship with the project, trained again from drawings",
        "learn",
    ),
    "evaluate faces": (
        "beholder.commands.evaluate_faces",
        "how near the crops of one detector of faces are to another's",
        "measure",
    ),
    "evaluate looks": (
        "beholder.commands.evaluate_looks",
        "how far a step of each direction of looks goes on photos, a contact sheet, and how fast looks are drawn",
        "measure",
    ),
    "evaluate portraits": (
        "beholder.commands.evaluate_portraits",
        "what these networks reach on fresh drawings, beside their goals",
        "measure",
    ),
}
