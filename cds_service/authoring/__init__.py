"""Tools for guideline authors: lint and case running over plan folders; no rule logic."""
