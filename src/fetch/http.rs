//! Http: one GET through the door.
