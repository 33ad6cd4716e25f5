"""What runs a converter: tasks, samples, output, report."""

__all__: list[str] = []
