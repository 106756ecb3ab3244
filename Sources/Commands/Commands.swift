// What belongs here: see ARCHITECTURE.md.
