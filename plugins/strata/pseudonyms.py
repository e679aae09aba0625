"""Identifiers become keyed hashes: the one place where that is done.

A value is normalised by the form of its identifier type (``config/identity.yml``) and
hashed with HMAC-SHA256 under a key from the environment or a mounted file. The type is
part of what is hashed, so that the same digits as a phone and as a member number do not
look alike.
"""

import hmac
import os
import re
import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache

import duckdb
import phonenumbers
import pyarrow as pa

from strata import secrets
from strata.config.identity import (
    NAME,
    EmailRule,
    IdentityConfig,
    load_identity_config,
)

KEY_VARIABLE = "STRATA_PSEUDONYM_KEY"
VERSION_VARIABLE = "STRATA_PSEUDONYM_KEY_VERSION"
MIN_KEY_LENGTH = 16

_SETTINGS_FUNCTION = "strata_pseudonym_settings"
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_CARD = re.compile(
    r"[1-9]\d{5}(?:18|19|20)\d\d(?:0\d|1[0-2])(?:[0-2]\d|3[01])\d{3}[\dX]"
)
_CHINESE = re.compile(r"[\u3400-\u9fff]+")
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"(\d+)(?:\.0+)?")
_PHONE_CHARACTERS = re.compile(r"[\d+()./\s‐-―-]+")
_MOBILE_LAYOUT = re.compile(r"(?:\+86|0086|86)?(1\d{10})")


class PseudonymKeyError(RuntimeError):
    """The key of the pseudonyms is missing or too short."""


@dataclass(frozen=True)
class PseudonymKey:
    """The secret that identifiers are hashed with, and the name of its version."""

    secret: bytes = field(repr=False)
    version: str

    @classmethod
    def from_environment(cls) -> "PseudonymKey":
        """The key of this tenant. Raises ``PseudonymKeyError`` saying how to make one."""
        secret = secrets.value(KEY_VARIABLE) or ""
        if len(secret) < MIN_KEY_LENGTH:
            fault = "is too short" if secret else "is not set"
            raise PseudonymKeyError(
                f"{KEY_VARIABLE} {fault}: identifiers cannot be hashed. Make a key "
                'with `python -c "import secrets; print(secrets.token_hex(32))"`, keep '
                "it where secrets are kept, and never change it without changing "
                f"{VERSION_VARIABLE}: all hashes depend on it"
            )
        return cls(secret.encode(), os.environ.get(VERSION_VARIABLE) or "1")


class Normaliser:
    """Brings identifiers of every declared type into one spelling."""

    def __init__(self, config: IdentityConfig) -> None:
        forms: dict[str, Callable[[str], str | None]] = {
            "phone": PhoneForm(config.default_region),
            "email": _email_form(config.email),
            "number": _number,
            "token": _token,
            "device": _device,
            "id_card": _id_card,
        }
        self._forms: dict[str, Callable[[str], str | None]] = {NAME: _name}
        self._denied = {NAME: _denier(config.placeholders, (), _name)}
        for name in config.identifiers:
            rule = config.identifiers[config.type_of_values(name)]
            assert rule.form is not None
            form = self._forms[name] = forms[rule.form]
            self._denied[name] = _denier(config.placeholders, rule.denylist, form)

    def __call__(self, identifier_type: str, value: str | None) -> str | None:
        """``value`` in its one spelling; None where it is no usable identifier.

        Raises ``ValueError`` for a type that ``config/identity.yml`` does not declare.
        """
        form = self._forms.get(identifier_type)
        if form is None:
            raise ValueError(_unknown_type(identifier_type, self._forms))
        if value is None:
            return None
        text = value if value.isascii() else unicodedata.normalize("NFKC", value)
        normalised = form(text.strip())
        if normalised is None or self._denied[identifier_type](normalised):
            return None
        return normalised


class PhoneForm:
    """A phone in E.164, None where phonenumbers does not call it valid.

    A number laid out as a plain Chinese mobile is matched against phonenumbers' own
    pattern of those, at a fiftieth of the cost of its parser.
    """

    def __init__(self, region: str) -> None:
        self._region = region
        metadata = phonenumbers.PhoneMetadata.metadata_for_region("CN")
        assert metadata is not None
        assert metadata.mobile is not None
        self._mobile = re.compile(metadata.mobile.national_number_pattern or "(?!)")

    def __call__(self, value: str) -> str | None:
        if self._region == "CN":
            layout = _MOBILE_LAYOUT.fullmatch(value.replace(" ", "").replace("-", ""))
            if layout and self._mobile.fullmatch(layout[1]):
                return "+86" + layout[1]
        return self.parsed(value)

    def parsed(self, value: str) -> str | None:
        """The same by phonenumbers' parser alone.

        Letters and asterisks are refused first: the parser would read the mask of
        ``138XXXX0000`` as digits.
        """
        if not _PHONE_CHARACTERS.fullmatch(value):
            return None
        try:
            number = phonenumbers.parse(value, self._region)
        except phonenumbers.NumberParseException:
            return None
        if not phonenumbers.is_valid_number(number):
            return None
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email_form(rule: EmailRule) -> Callable[[str], str | None]:
    def email(value: str) -> str | None:
        text = "".join(value.split()).lower()
        if not _EMAIL.fullmatch(text):
            return None
        local, domain = text.split("@")
        domain = rule.same_domain.get(domain, domain)
        if domain in rule.ignore_tags:
            local = local.partition("+")[0]
        if domain in rule.ignore_dots:
            local = local.replace(".", "")
        return f"{local}@{domain}" if local else None

    return email


def _token(value: str) -> str | None:
    """The text itself; None for nothing and for what holds only zeros and dashes."""
    return value if value.strip("0-") else None


def _device(value: str) -> str | None:
    """One spelling of a device id: systems write it in either case, with separators."""
    return _token(re.sub(r"[{}:-]", "", value).lower())


def _id_card(value: str) -> str | None:
    """A resident identity card: 17 digits with a date, and the check character.

    GB 11643-1999; the check is ISO 7064 MOD 11-2. Cards of 15 digits are void since
    2013.
    """
    text = re.sub(r"[\s-]", "", value).upper()
    if not _CARD.fullmatch(text):
        return None
    weighted = sum(int(d) * 2 ** (17 - n) for n, d in enumerate(text[:17]))
    return text if "10X98765432"[weighted % 11] == text[17] else None


def _name(value: str) -> str | None:
    """The letters of a whole name as it sounds, in the order of the alphabet.

    So 刘涛华, "Taohua Liu" and "LIU, Tao-Hua" are one. None for a single word or sign:
    that is half a name, and two halves of one name differ.
    """
    signs = _CHINESE.findall(value)
    if (not signs and len(_WORD.findall(value)) < 2) or len("".join(signs)) == 1:
        return None
    if signs:
        value = "".join(_sounds("".join(signs)))
    plain = unicodedata.normalize("NFD", value.casefold())
    return "".join(sorted(letter for letter in plain if letter.isalpha())) or None


def _sounds(signs: str) -> list[str]:
    # Imported here: its dictionary takes a tenth of a second, and few need it.
    from pypinyin import lazy_pinyin

    return lazy_pinyin(signs)


def _number(value: str) -> str | None:
    """Digits without the ``.0`` that spreadsheets add."""
    match = _NUMBER.fullmatch(value)
    return match[1].lstrip("0") or None if match else None


def _denier(
    placeholders: tuple[str, ...],
    denylist: tuple[str, ...],
    form: Callable[[str], str | None],
) -> Callable[[str], bool]:
    """Whether a normalised value says that there is none; case does not matter."""
    entries = [entry.casefold() for entry in (*placeholders, *denylist)]
    globs = [entry for entry in entries if "*" in entry or "?" in entry]
    exact = {(form(entry) or entry).casefold() for entry in entries}
    if not globs:
        return lambda value: value.casefold() in exact
    pattern = re.compile("|".join(translate(glob) for glob in globs))
    return lambda value: (
        value.casefold() in exact or pattern.match(value.casefold()) is not None
    )


def _unknown_type(name: str, known: dict[str, Callable[[str], str | None]]) -> str:
    # With the arguments the wrong way round the "type" is somebody's phone number.
    shown = name if re.fullmatch(r"[a-z_]{1,32}", name) else "that was given"
    return (
        f"the identifier type {shown} is not declared in config/identity.yml "
        f"(declared: {', '.join(sorted(known))})"
    )


def pseudonym(key: PseudonymKey, identifier_type: str, normalised: str) -> str:
    """The keyed hash, in hex, of a normalised value."""
    message = f"{identifier_type}\x1f{normalised}".encode()
    return hmac.digest(key.secret, message, "sha256").hex()


def register(
    con: duckdb.DuckDBPyConnection, config: IdentityConfig | None = None
) -> None:
    """Give the database behind ``con`` the functions of the pseudonyms.

    ``strata_pseudonym(type, value)`` and ``strata_normalise(type, value)`` are null for
    what is null, invalid or denylisted; ``strata_key_version()`` names the key.
    Functions belong to the database, not to the connection: every connection that
    this process has to the same file sees them, and doing it again changes nothing.
    Raises ``PseudonymKeyError`` without a key, and ``RuntimeError`` where the database
    is open with functions of another key or other rules.
    """
    key = PseudonymKey.from_environment()
    rules = config or load_identity_config()
    settings = pseudonym(key, "settings", f"{key.version}\x1f{rules.model_dump_json()}")
    with _LOCK:
        there = _registered_settings(con)
        if there is None:
            functions = _functions(key, rules.model_dump_json())
            for name, function, parameters in functions:
                con.create_function(  # type: ignore[call-overload]
                    name,
                    function,
                    ["VARCHAR"] * parameters,
                    "VARCHAR",
                    type="arrow" if parameters else "native",
                    null_handling="special" if parameters else "default",
                )
        elif there != settings:
            raise RuntimeError(
                "this database is open in this process with pseudonyms of another key "
                "or other identity rules: close its connections before changing them"
            )


_LOCK = threading.Lock()

SqlFunction = Callable[..., "pa.Array | str"]


def _registered_settings(con: duckdb.DuckDBPyConnection) -> str | None:
    try:
        row = con.execute(f"select {_SETTINGS_FUNCTION}()").fetchone()
    except duckdb.CatalogException:
        return None
    return str(row[0]) if row else None


@cache
def _functions(
    key: PseudonymKey, rules_json: str
) -> tuple[tuple[str, SqlFunction, int], ...]:
    """The SQL functions of one key and one set of rules: name, function, parameters.

    They are kept for the life of the process. DuckDB holds on to them only as long as
    the connection that registered them is open, and calls them for longer.
    """
    rules = IdentityConfig.model_validate_json(rules_json)
    normalise = Normaliser(rules)
    settings = pseudonym(key, "settings", f"{key.version}\x1f{rules_json}")

    return (
        ("strata_pseudonym", _over_columns(hashing(key, rules, normalise)), 2),
        ("strata_normalise", _over_columns(normalise), 2),
        ("strata_key_version", lambda: key.version, 0),
        (_SETTINGS_FUNCTION, lambda: settings, 0),
    )


def hashing(
    key: PseudonymKey, rules: IdentityConfig, normalise: Normaliser
) -> Callable[[str, str], str | None]:
    """What ``strata_pseudonym`` makes of one value of a type, on every engine."""

    def hashed(identifier_type: str, value: str) -> str | None:
        normalised = normalise(identifier_type, value)
        if not normalised:
            return None
        named = identifier_type == NAME
        kind = NAME if named else rules.type_of_values(identifier_type)
        return pseudonym(key, kind, normalised)

    return hashed


def _over_columns(one: Callable[[str, str], str | None]) -> SqlFunction:
    """``one`` over two Arrow columns, called once for each distinct pair."""

    def many(types: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.Array:
        kinds = types.unique().to_pylist()
        if len(kinds) == 1:  # the usual call: the type is a literal
            kinds *= len(values)
        else:
            kinds = types.to_pylist()
        pairs = list(zip(kinds, values.to_pylist(), strict=True))
        results = {
            pair: None if None in pair else one(*pair) for pair in dict.fromkeys(pairs)
        }
        return pa.array([results[pair] for pair in pairs], pa.string())

    return many
