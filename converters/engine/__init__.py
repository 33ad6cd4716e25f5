"""What runs a converter: tasks, samples, output, result, report."""
