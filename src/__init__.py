"""A transparent proxy to the OpenAI API that can thin the tokens of user messages."""
