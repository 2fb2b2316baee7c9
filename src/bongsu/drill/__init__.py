"""The drill: people talk through three sites while sites burn, and what they were promised is checked afterwards.

`client`, `reader`, `crowd`, `people` and `photos` are the load; `record` is what they wrote down; `faults` and `scenes`
do the harm; `checker` and `outages` judge the record; `verdict` holds it against the promise; `report` and `plots` show
it; `drill` runs it all in order. The server is a black box here: nothing but its public addresses is used.
"""
