"""Jobs on nodes of the scene, one file each."""
