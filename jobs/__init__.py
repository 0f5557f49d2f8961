"""Ray on the batch side: one file, one command, one page.

A command's module has a frozen dataclass `Settings` and `main(settings, run)`; `_cluster.py` is how they reach Ray.
"""

COMMANDS = {
    "demo": ("beholder.jobs.demo", "the whole way on the sample that ships with the project"),
    "import": ("beholder.jobs.import_", "spreadsheets of judgements, embeddings or a StyleGAN2 from elsewhere -> the workspace"),
    "edit": ("beholder.jobs.edit", "a photo of a face, or a seed -> the picture moved along directions, put back into the photo"),
    "invert": ("beholder.jobs.invert", "a photo of a face -> its latent, to be edited again and again"),
    "directions": ("beholder.jobs.directions", "what a generator's pictures can be moved along: listed, and drawn from -3 to 3"),
    "ask": ("beholder.jobs.ask", "two edits of an image, which is better? A few rounds, then the one you will like most"),
    "recommend": ("beholder.jobs.recommend", "the edit of an image that a person will like most, and why"),
    "choices": ("beholder.jobs.choices", "what people chose: counted, written, read, or a person forgotten"),
    "keys": ("beholder.jobs.keys", "who may ask the service what: keys listed, made, revoked"),
    "simulate": (
        "beholder.jobs.simulate",
        "simulated people answer questions: how good recommendations become, by ranker and way of asking",
    ),
    "directions import": (
        "beholder.jobs.import_directions",
        "other programs' directions (InterFaceGAN, GANSpace, StyleSpace, StyleCLIP, ...), alpha measured on the generator",
    ),
    "directions learn": ("beholder.jobs.learn_directions", "a new direction from labelled pictures, or from two texts"),
    "embed": (
        "beholder.jobs.embed",
        "images -> a table of CLIP embeddings, on all cores and GPUs of a machine or cluster",
    ),
    "bench embed": (
        "beholder.jobs.bench_embed",
        "how fast `embed` is, beside the bare encoder and one image at a time",
    ),
    "tune": ("beholder.jobs.tune", "a search over a taste's settings, and which one each person should get"),
    "train": ("beholder.jobs.train", "judgements and embeddings -> a taste in the registry"),
    "bench tune": ("beholder.jobs.bench_tune", "fits a minute of a search: everybody stacked, beside a trial for each fit"),
    "bench bayes": (
        "beholder.jobs.bench_bayes",
        "what one choice costs: a posterior updated, 1,000 images scored",
    ),
    "bench editor": (
        "beholder.jobs.bench_editor",
        "pictures a second and memory of generators, beside the machine's limit, and what a slider costs",
    ),
    "bench serve": (
        "beholder.jobs.bench_serve",
        "how much the service answers and how soon, beside one process with the library, and while replicas are killed",
    ),
    "build portraits": (
        "beholder.jobs.build_portraits",
        "the networks that ship with the project, trained again from drawings",
    ),
    "build perception": (
        "beholder.jobs.build_perception",
        "a generator and an encoder -> what edits of its pictures look like to the encoder, told without drawing them",
    ),
    "evaluate perception": (
        "beholder.jobs.evaluate_perception",
        "edits told without drawing them beside the same edits drawn: ranks, the final pick, the time",
    ),
    "evaluate": (
        "beholder.jobs.evaluate",
        "tastes beside the population's, on judgements they never saw, with intervals",
    ),
    "predict": (
        "beholder.jobs.predict",
        "a taste -> images scored and ranked for a person, on an attribute or a question in words",
    ),
    "evaluate lora": (
        "beholder.jobs.evaluate_lora",
        "how well taste=lora answers what it was never trained on, beside CLIP as it is and words without meaning",
    ),
    "evaluate portraits": (
        "beholder.jobs.evaluate_portraits",
        "what these networks reach on fresh drawings, beside their goals",
    ),
}
