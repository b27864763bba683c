"""A study that runs in the background: started, watched over, restarted, stopped."""
