"""Pseudonyms of persons: n-PEP on ristretto255 with two converters.

Rules this room keeps:

- the secret behind the global key exists in no place; a domain's key is made of two shares;
- a pseudonym is N_D(x) = f_1(D)*f_2(D)*H(x): without both factors it leads neither to x nor to
  the pseudonym of x in another domain;
- the identity element and invalid encodings are refused wherever bytes become elements;
- an 個人番号 (My Number) is no identifier; no value of a person is in a repr or a message.

It does not decide who may convert what (`sekisho.control.conversion`), sends nothing, and does
not know what changed numbers belong to one person (`sekisho.data.linkage`).

One person from a source to a body ``alpha``, through both converters::

    y = second.public_step(first.public_step(None))
    batch = Batch(((tag, encrypt(element_of(key), y, random)),), y)
    for converter in (first, second):
        batch = convert_batch(converter, batch, IDENTITY, body_domain("alpha"), epoch, random)
    open_batch(batch, domain_key([share_of_first, share_of_second]))   # [(tag, N_alpha)]
"""

from sekisho.pseudonym.batch import Batch, pack, unpack
from sekisho.pseudonym.convert import convert_batch, convert_ciphertexts, open_batch, step_of
from sekisho.pseudonym.dates import read_date
from sekisho.pseudonym.elgamal import decrypt, decrypt_many, encrypt, encrypt_many
from sekisho.pseudonym.group import (
    Element,
    Scalar,
    decode_element,
    decode_scalar,
    hash_to_group,
    random_element,
)
from sekisho.pseudonym.identifiers import (
    JP_INSURED,
    JP_LOCAL,
    JP_PUBLIC_PAYER,
    KANA_BIRTH_SEX,
    NORMAL_FORM,
    US_SSN,
    PersonKey,
    canonical,
    doubts_of,
    element_of,
    identified,
    insured,
    local,
    named,
    parse_spec,
    public_payer,
    spec_of,
    us_ssn,
)
from sekisho.pseudonym.keys import ConverterKeys, ConverterSecret, domain_key
from sekisho.pseudonym.numbers import (
    check_digit,
    fold,
    fold_kana,
    has_valid_check_digit,
    is_my_number,
)
from sekisho.pseudonym.wrap import new_wrapping_key, unwrap, wrap

__all__ = [
    "JP_INSURED",
    "JP_LOCAL",
    "JP_PUBLIC_PAYER",
    "KANA_BIRTH_SEX",
    "NORMAL_FORM",
    "US_SSN",
    "Batch",
    "ConverterKeys",
    "ConverterSecret",
    "Element",
    "PersonKey",
    "Scalar",
    "canonical",
    "check_digit",
    "convert_batch",
    "convert_ciphertexts",
    "decode_element",
    "decode_scalar",
    "decrypt",
    "decrypt_many",
    "domain_key",
    "doubts_of",
    "element_of",
    "encrypt",
    "encrypt_many",
    "fold",
    "fold_kana",
    "has_valid_check_digit",
    "hash_to_group",
    "identified",
    "insured",
    "is_my_number",
    "local",
    "named",
    "new_wrapping_key",
    "open_batch",
    "pack",
    "parse_spec",
    "public_payer",
    "random_element",
    "read_date",
    "spec_of",
    "step_of",
    "unpack",
    "unwrap",
    "us_ssn",
    "wrap",
]
