"""Events, cancel, child processes and the machine that the work runs on."""
