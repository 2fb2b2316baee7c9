"""Channels (톡채널): a home with posts, who follows and what they agreed to, the official mark, broadcasts."""
