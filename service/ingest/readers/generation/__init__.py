"""Generation parameters: what image generators write into a picture about the prompt, the model and the sampling."""
