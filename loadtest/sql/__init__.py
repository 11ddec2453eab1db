"""SQL of the load tests; each file says who calls it, its parameters and its rows."""
