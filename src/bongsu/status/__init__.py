"""What works, what does not, and since when: as every site sees every site.

`features` is the table of what people use and what it needs. `probes` measures what this site can do, `watch` asks
every site every two seconds and keeps what it learnt in memory, `rules` decides when a change is one. `routes` shows
it, with no database and whichever other sites are gone. What was seen to change is a line in the site's own `journal`,
and from there an entry of the one `record` in PostgreSQL; `chain` makes both impossible to alter unseen, `incidents`
reads incidents out of the entries. `facts` and `doctor` find what stands in one site only before it burns.
"""
