"""Action codes: codecs (how an action is represented) and constraints (which are allowed now)."""
