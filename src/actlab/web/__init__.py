"""The local web app: read about systems, run their studies, watch runs, compare them (extra `web`)."""
