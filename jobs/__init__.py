"""Ray on the batch side: one file, one command, one page.

A command's module has `main(settings, run)`, whose settings are a frozen dataclass; they reach Ray through beholder.ray_connection.
bench/ has the benchmarks. What needs no Ray is in beholder.commands.
"""

COMMANDS = {
    "submit": ("beholder.jobs.submit", "another command as a job on a Ray cluster, its output followed here", "serve"),
    "demo": ("beholder.jobs.demo", "the whole way on the sample that ships with the project", "start"),
    "simulate": (
        "beholder.jobs.simulate",
        "simulated people answer questions: how good recommendations become, by ranker and way of asking",
        "measure",
    ),
    "simulate looks": (
        "beholder.jobs.simulate_looks",
        "simulated people with preferences about looks: how often what is recommended is liked better than the photo",
        "measure",
    ),
    "directions learn": ("beholder.jobs.learn_directions", "a new direction from labelled pictures, or from two texts", "learn"),
    "apply": (
        "beholder.jobs.apply_look",
        "the look that a person will like most, on every photo of a folder; originals are only read",
        "edit",
    ),
    "embed": ("beholder.jobs.embed", "images -> a table of CLIP embeddings, on all cores and GPUs of a machine or cluster", "data"),
    "bench embed": (
        "beholder.jobs.bench.bench_embed",
        "how fast `embed` is, beside the bare encoder and one image at a time",
        "measure",
    ),
    "quality": ("beholder.jobs.quality", "which people's judgements can be believed, why, and weights for training", "learn"),
    "tune": ("beholder.jobs.tune", "a search over a taste's settings, and which one each person should get", "learn"),
    "train": ("beholder.jobs.train", "judgements and embeddings -> a taste in the registry", "learn"),
    "update": (
        "beholder.jobs.update",
        "what the judgements there are now say of images, for a taste that is fitted already",
        "learn",
    ),
    "bench tune": (
        "beholder.jobs.bench.bench_tune",
        "fits a minute of a search: everybody stacked, beside a trial for each fit",
        "measure",
    ),
    "bench lora": (
        "beholder.jobs.bench.bench_lora",
        "fitting taste=lora with the frozen blocks' outputs kept and computed anew, and judging beside fitting",
        "measure",
    ),
    "bench bayes": (
        "beholder.jobs.bench.bench_bayes",
        "what one choice costs: a posterior updated, 1,000 images scored",
        "measure",
    ),
    "bench quality": (
        "beholder.jobs.bench.bench_quality",
        "how many raters who don't look are found, what weights are worth to a fit, and what judging many people costs",
        "measure",
    ),
    "bench editor": (
        "beholder.jobs.bench.bench_editor",
        "pictures a second and memory of generators, beside the machine's limit, and what a slider costs",
        "measure",
    ),
    "bench serve": (
        "beholder.jobs.bench.bench_serve",
        "how much the service answers and how soon, beside one process with the library, and while replicas are killed",
        "measure",
    ),
    "bench study": (
        "beholder.jobs.bench.bench_study",
        "a study's participants at the same time, its server killed meanwhile: what is lost, twice, and how balanced it stays",
        "measure",
    ),
    "bench chance": ("beholder.jobs.bench.bench_chance", "what people who toss a coin are told through the API", "measure"),
    "bench abuse": (
        "beholder.jobs.bench.bench_abuse",
        "what others notice while one client abuses the service: how long they wait, and how many are refused",
        "measure",
    ),
    "bench chaos": (
        "beholder.jobs.bench.bench_chaos",
        "jobs and the service on simulated nodes while a process, a node or the head is killed: what is lost, twice, different",
        "measure",
    ),
    "build surrogate": (
        "beholder.jobs.build_surrogate",
        "a generator and an encoder -> a network that predicts the embeddings of edited pictures without drawing them",
        "learn",
    ),
    "evaluate surrogate": (
        "beholder.jobs.evaluate_surrogate",
        "embeddings of edits predicted without drawing beside those of drawn edits: ranks, the final pick, the time",
        "measure",
    ),
    "evaluate": (
        "beholder.jobs.evaluate",
        "tastes beside the population's, on judgements they never saw, with intervals",
        "measure",
    ),
    "evaluate editing": (
        "beholder.jobs.evaluate_editing",
        "pictures of a folder inverted and edited, with their detail kept or not: L2, MS-SSIM, identity, FID, a contact sheet",
        "measure",
    ),
    "predict": (
        "beholder.jobs.predict",
        "a taste -> images scored and ranked for a person, on an attribute or a question in words",
        "learn",
    ),
    "evaluate lora": (
        "beholder.jobs.evaluate_lora",
        "how well taste=lora answers what it was never trained on, beside CLIP as it is and words without meaning",
        "measure",
    ),
}
