"""Email addresses: syntax check and normal form."""


def normalize_email_address(text: str) -> str | None:
    """Return an address in the form it is written to, or None for what no mail could reach.

    Only its syntax is asked, no name server. Longer than 254 characters is no address (RFC 5321).
    """
    if len(text) > 254:
        return None
    # Imported here: only some commands and requests have an address to check.
    from email_validator import EmailNotValidError, validate_email

    try:
        # The names for tests and documentation (RFC 6761) are addresses like any other here.
        checked = validate_email(
            text, check_deliverability=False, test_environment=True, strict=True
        )
    except EmailNotValidError:
        return None
    return checked.normalized
