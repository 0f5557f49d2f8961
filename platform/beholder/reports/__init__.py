"""Reports that people look at: one HTML file with everything in it, which asks the network for nothing.

report            Report(title, verdict, facts, sections): the page, and its charts as PNG beside it
markup            escaping, the only way into the page; SVG that can stand in it; tables of summary.md and of the terminal
parts             words, lists, commands, pictures with captions, figures as inline SVG in the page's own colours
data_table        a table that can be filtered and sorted, and one with a row for each person
person_names      ids of people -> names that can be said aloud
gain_charts       gains over the population: by taste, by person, by number of judgements
trajectory_charts simulated people by number of choices
quality_charts    how far people can be believed, and who is like whom
search_charts     a hyperparameter search
*_report          what each command has to say, from plain results
page.css, page.js the page's style and its only script
"""
