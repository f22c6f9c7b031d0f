"""The staff's desk in a forum: one post for each customer, its card and buttons, and what is written there."""
