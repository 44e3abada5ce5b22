"""Files: documents from outside are loaded and checked here, before anything uses them."""
