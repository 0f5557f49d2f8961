"""Safe pickle: what pickles and torch files hold, read as data, without running anything in them.

interpreter   a pickle's instructions, interpreted one by one
numpy_pickle  pickles of plain containers and numpy arrays
stubs         the only names that a checkpoint's pickle may say
lazy_tensor   numbers read when they are asked for
torch_archive torch's two layouts of a file
"""
