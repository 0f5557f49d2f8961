"""Learns how each person sees images, and recommends the edit of an image that this person will like most."""
