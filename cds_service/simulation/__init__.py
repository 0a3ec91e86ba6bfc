"""A guideline, or two revisions of it, over a cohort: who would have got which card, and when.

From bottom to top: documents and the cohort they make, the chart as it was at a moment, the moments
that are judged, the production call, the engines that spread the work, and what is counted of it.
"""
