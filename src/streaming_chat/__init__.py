"""Azure OpenAI chat completions, relayed to a client as Server-Sent Events."""
