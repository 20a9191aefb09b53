"""Image-quality metrics: pure functions of HU arrays, slices (j, i) and volumes (k, j, i)."""
