"""`python -m openai_proxy` is the command `openai-proxy`."""

from .app.command import main

main(prog_name="openai-proxy")
