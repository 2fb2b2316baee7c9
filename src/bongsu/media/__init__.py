"""Photos and files: uploaded once, named by their SHA-256, served as they came or as thumbnails."""
