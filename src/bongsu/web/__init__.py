"""The web client: its built files, served under /app/. Its source stands in the folder web/ beside src/."""
