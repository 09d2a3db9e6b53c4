"""Email addresses: syntax check, canonical form, comparison key and ASCII domain for SMTP."""

import unicodedata

# RFC 5321, sections 4.5.3.1.1 and 4.5.3.1.3; RFC 6531 counts octets of UTF-8, too.
MAX_LOCAL_PART_BYTES, MAX_EMAIL_BYTES = 64, 254
MAX_EMAIL_CHARACTERS = 254
BLANKS = ' \t'


def normalize_email_address(text: str) -> str | None:
    """Return the canonical form of an email address, or None if its syntax is wrong.

    In the result, blanks around the address are removed, and the local part is in NFC. The domain
    is in lower case and in Unicode (U-labels, IDNA 2008 by UTS 46). No name server is queried.
    """
    address = text.strip(BLANKS)
    if len(address) > MAX_EMAIL_CHARACTERS:
        return None
    # Imported here: only some commands and requests check an address.
    from email_validator import EmailNotValidError, validate_email

    try:
        # With `test_environment`, the domains reserved for tests are also valid (RFC 6761).
        checked = validate_email(
            address, check_deliverability=False, test_environment=True, strict=True
        )
    except EmailNotValidError:
        return None
    # Mail servers count octets: of UTF-8 in the local part, and of A-labels in the domain.
    on_the_wire = email_on_the_wire(checked.normalized).encode()
    local, _, _ = on_the_wire.rpartition(b'@')
    if len(local) > MAX_LOCAL_PART_BYTES or len(on_the_wire) > MAX_EMAIL_BYTES:
        return None
    return checked.normalized


def email_comparison_key(text: str) -> str:
    """Return a key that is equal for all spellings of an email address.

    The local part is normalized by NFKC and case folding. The domain is converted to A-labels in
    lower case (IDNA 2008 by UTS 46), so `straße.test` and `strasse.test` have different keys. Any
    text has a key, even if it is not an address.
    """
    local, at, domain = text.strip(BLANKS).rpartition('@')
    if not at:
        return _folded(domain)
    return f'{_folded(local)}@{ascii_domain(domain) or _folded(domain)}'


def email_on_the_wire(address: str) -> str:
    """Return a canonical email address for SMTP, with its domain as A-labels (`xn--…`).

    Every mail server accepts that form of a domain. SMTPUTF8 is then needed only if the local part
    is not ASCII.
    """
    local, at, domain = address.rpartition('@')
    return address if domain.isascii() else f'{local}{at}{ascii_domain(domain) or domain}'


def ascii_domain(domain: str) -> str | None:
    """Return a domain as A-labels (`xn--…`) in lower case; None if IDNA 2008 does not allow it."""
    lower = domain.lower()
    if lower.isascii() and 'xn--' not in lower:
        return lower
    # Imported here: the tables of `idna` are large, and most domains are ASCII.
    import idna

    try:
        return idna.encode(domain, uts46=True).decode()
    except UnicodeError:
        return None


def _folded(text: str) -> str:
    return unicodedata.normalize('NFKC', text).casefold()
