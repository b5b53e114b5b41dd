"""Speed, memory and quality as ratios; see README.md."""
