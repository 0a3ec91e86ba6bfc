"""A CDS Hooks call: its messages, its story, and cards from an outcome. No HTTP, no disk."""
