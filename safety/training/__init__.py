"""How the signals model is made: one seeded command, from labelled sets and our own words."""
