"""What a keep ratio costs in what a text says."""
