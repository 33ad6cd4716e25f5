"""Networks: backbones, heads, and the two put together."""

__all__: list[str] = []
