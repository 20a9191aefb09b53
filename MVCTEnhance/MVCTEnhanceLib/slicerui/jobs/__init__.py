"""What the module does with nodes of the scene, one file a job."""
