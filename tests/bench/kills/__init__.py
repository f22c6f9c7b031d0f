"""The program is killed, at every step of its way or at any moment, and judged by what its customers see."""
