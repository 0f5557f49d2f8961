"""Memory: how much of it a process keeps."""

# Environment variables of a process that runs networks, which ask for the same large blocks again and again. Left to itself glibc
# gives them back to the kernel after each use, and a fifth of the time of drawing goes into getting them anew.
KEPT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the most that glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}
