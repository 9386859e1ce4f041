"""The full-screen client. Everything but `app` and `keys` is a model that knows no terminal."""
