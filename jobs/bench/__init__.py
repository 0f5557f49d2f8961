"""Benchmarks: how fast it is, beside the limit of the machine and beside a peer. They need the extra `bench` (aiohttp, psutil).

bench_embed, bench_tune, bench_bayes, bench_editor, bench_serve (the commands); baseline (one process with the library), limit (what
it does at most), loadtest (many clients at a time), chaos (while replicas are killed).
"""
