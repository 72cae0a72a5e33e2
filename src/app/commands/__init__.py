"""What each command of `openai-proxy` does."""
