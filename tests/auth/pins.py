"""Wrong PINs and codes."""


def other_than(pin: str) -> str:
    """Return a wrong PIN or code in the same format."""
    if not pin.isdigit():
        return f'{"B" if pin[0] == "A" else "A"}{pin[1:]}'
    return f'{(int(pin) + 1) % 1_000_000:06}'
