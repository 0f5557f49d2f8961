"""Tables of judgements and vectors as other people keep them, read block by block into the project's tables.

archive_limits    what a compressed file may unpack to
cells             the text of a cell -> an id, a number, a time, a choice; or the reason why not
text_table        CSV and TSV: encoding, delimiter, rows
workbook          .xlsx: sheets and rows, formulas without results, dates
record_table      Parquet, JSON and JSON lines
source_tables     the files of a source as sheets of text columns, with header and row numbers, block by block
column_mapping    which column means what: given, of a published shape, or guessed from names
published_shapes  the columns of published datasets
score_scale       ordered scales: their ends, steps and words
judgement_blocks  a block of a sheet -> ratings, comparisons and rejected cells
table_import      a whole source -> the workspace, in bounded memory
templates         small files to begin with
embedding_files   vectors computed elsewhere
"""
