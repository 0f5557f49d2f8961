"""Safe pickle: what pickles and torch files hold, read as data, without running anything in them.

interpreter (a pickle's instructions, one by one), stubs (the only names that a pickle may say), lazy_tensor (numbers read when they
are asked for), torch_archive (torch's two layouts of a file), numpy_pickle (plain containers and numpy arrays).
"""
