"""`analyze`: how a search behaved, of whatever it left; and the studies' open data sets."""
