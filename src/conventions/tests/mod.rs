//! Claims about the room as a whole.
