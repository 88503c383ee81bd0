"""The page at `/`: plain ES modules and one stylesheet, served as they are; `assets.py` puts them on the wire."""
