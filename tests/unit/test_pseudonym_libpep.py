"""Our step of a conversion against libpep, the reference implementation of n-PEP.

The numbers were made once with `@nolai/libpep-wasm` 0.12.0 (Apache-2.0, another implementation on
another library: curve25519-dalek) under node 20: for chosen scalars y, k, s, r, and M a multiple of
the base point, ``c = encrypt(M, y*G)``, then ``rerandomize(rsk(c, s, k), k*y*G, r)``, then
``decrypt`` of that under y*k. Our converter draws r; here it draws the one that libpep was given.
"""

from __future__ import annotations

import pytest

from sekisho.pseudonym import Element, Scalar, decrypt
from sekisho.pseudonym.convert import Step, convert_ciphertexts
from sekisho.pseudonym.group import multiply, multiply_base, scalar_inverse, scalar_product

# y, k, s, r, M, the ciphertext, the converted one, what it decrypts to
VECTORS = (
    (
        "2c37424d58636e79848f9aa5b0bbc6d1dce7f2fd08131e29343f4a55606b7600",
        "9ea9b4bfcad5e0ebf6010c17222d38434e59646f7a85909ba6b1bcc7d2dde800",
        "101b26313c47525d68737e89949faab5c0cbd6e1ecf7020d18232e39444f5a00",
        "828d98a3aeb9c4cfdae5f0fb06111c27323d48535e69747f8a95a0abb6c1cc00",
        "1e28569b0096883bbb07c3bd724f26638f8af7536b30ea5cd7d244d6b9004151",
        "f8ae1d24a7cd45a19e0e3957e92f42b438d566146627587840c75789b43f4853"
        "0cef884a7b253d65d55bd64b8e8b6977a8106eddeceac627c26ce621c3cb055e",
        "bc819234baec7ba8d13fcb4bd600842049f20089a685dfacff89708cd4620976"
        "dab53e4890268b10ab56bfd241a299f214a6b977909217d64efbb4032ce6bc1c",
        "706312b4a5abf2eef5daac225d379e3ee372ea4431657939a0e5024eec111a71",
    ),
    (
        "515c67727d88939ea9b4bfcad5e0ebf6010c17222d38434e59646f7a85909b00",
        "c3ced9e4effa05101b26313c47525d68737e89949faab5c0cbd6e1ecf7020d00",
        "35404b56616c77828d98a3aeb9c4cfdae5f0fb06111c27323d48535e69747f00",
        "a7b2bdc8d3dee9f4ff0a15202b36414c57626d78838e99a4afbac5d0dbe6f100",
        "60f417e0ed68e0ac4ce11318d891a3e1d80f4f5133a0fa4c0bd29c797b426b3d",
        "40dc284e42fbfc22b4b8e2209344696b4f1d5bdec9f1436b29e859a6f0e31f45"
        "6c6786f7068f1f9d3991a8915e499c9edf571b460544499eb4903dfea218ee60",
        "46b5b3a7643d58eea8858cfda4ac55d2ec107e38002278e30cc94c7c2a820f50"
        "28d8c575ac1fb89709ecbf9f0f2c25e0138c2c4ee814da1bd882b66a39cf5b73",
        "200ae795c5f4deaa5a7472260c2af347ede7534f27291d6b9279e2e0a07e0d72",
    ),
    (
        "76818c97a2adb8c3ced9e4effa05101b26313c47525d68737e89949faab5c000",
        "e8f3fe09141f2a35404b56616c77828d98a3aeb9c4cfdae5f0fb06111c273200",
        "5a65707b86919ca7b2bdc8d3dee9f4ff0a15202b36414c57626d78838e99a400",
        "ccd7e2edf8030e19242f3a45505b66717c87929da8b3bec9d4dfeaf5000b1600",
        "82e719e6f7f67e883b24735ef841ad07ba68472be79a91f3c749cf90ae75585f",
        "66a9745786fe236d359229efc1a7523cee14774b858865a740432ae96cb2976e"
        "ee4aa6153627a42d5b192a1d2b9881a6320b65f48fc1aecdc71846333898f04c",
        "bcd3b6a1e2c9980efed26563bf63c34337ddfb0b02a02851527256ac3836ea10"
        "b6b7a193a748478a67232792999f1af1ce0fa33dfb44b7255ad00b6712096400",
        "00ae7f132d955682e408b61be228c61df2b4a689700f8164d29ca1cb336a4176",
    ),
)


@pytest.mark.parametrize("vector", VECTORS, ids=["first", "second", "third"])
def test_a_step_gives_the_bytes_that_libpep_gives(vector: tuple[str, ...]) -> None:
    raw = [bytes.fromhex(text) for text in vector]
    y, k, s, r = (Scalar(one) for one in raw[:4])
    person, before, after, plain = raw[4:]
    step = Step(
        first=scalar_product(s, scalar_inverse(k)),
        second=s,
        public=multiply(k, multiply_base(y)),
    )
    assert decrypt(before, y) == person
    assert convert_ciphertexts([before], step, lambda size: r.ljust(size, b"\0")) == [after]
    assert decrypt(after, scalar_product(y, k)) == plain == multiply(s, Element(person))
