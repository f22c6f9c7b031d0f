"""The commands `shopdesk policies …`: what is live, what was, and how to change it."""
