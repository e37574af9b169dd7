// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct DigestTests {
  /// The examples of FIPS 180-4 and RFC 6234, and lengths around the ends of blocks (by Python's
  /// hashlib).
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      String(repeating: "a", count: 64),
      "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"
    ),
    (
      String(repeating: "a", count: 119),
      "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"
    ),
  ])
  func digest(text: String, wanted: String) {
    #expect(Hexadecimal.encode(SHA256.digest(of: Array(text.utf8))) == wanted)
  }

  /// RFC 4231, test cases 1, 2 and 6.
  @Test func codes() {
    let first = HMACSHA256(key: Array(repeating: 0x0b, count: 20)).code(of: Array("Hi There".utf8))
    #expect(
      Hexadecimal.encode(first)
        == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    let second = HMACSHA256(key: Array("Jefe".utf8)).code(
      of: Array("what do ya want for nothing?".utf8))
    #expect(
      Hexadecimal.encode(second)
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    let sixth = HMACSHA256(key: Array(repeating: 0xaa, count: 131)).code(
      of: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8))
    #expect(
      Hexadecimal.encode(sixth)
        == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
  }

  /// RFC 7914, section 11 (the first 32 bytes).
  @Test func derivedKeys() {
    let key = pbkdf2SHA256(
      password: Array("passwd".utf8), salt: Array("salt".utf8), iterationCount: 1)
    #expect(
      Hexadecimal.encode(key) == "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc")
    // hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 7)
    let other = pbkdf2SHA256(
      password: Array("password".utf8), salt: Array("salt".utf8), iterationCount: 7)
    #expect(
      Hexadecimal.encode(other)
        == "9bd065cf13b6ad747afca1d34095b20a4a365cc52f9225ab23f62e4348d9b343")
  }

  /// Every length around a block, in two pieces beside one.
  @Test func pieces() {
    let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 * 7) }
    for count in 0..<300 {
      let whole = Buffer(Array(bytes[..<count]))
      let cut = count / 3
      let pieces = [
        whole.slice(offset: 0, count: cut), whole.slice(offset: cut, count: count - cut),
      ]
      #expect(SHA256.digest(of: pieces) == SHA256.digest(of: Array(bytes[..<count])))
      #expect(MD5.digest(of: pieces) == MD5.digest(of: [whole]))
    }
    #expect(Hexadecimal.encode(MD5.digest(of: [])) == "d41d8cd98f00b204e9800998ecf8427e")
  }
}

@Suite struct CodesTests {
  @Test func base64() {
    // RFC 4648, section 10.
    let vectors = [
      "": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==", "fooba": "Zm9vYmE=",
      "foobar": "Zm9vYmFy",
    ]
    for (plain, encoded) in vectors {
      #expect(Base64.encode(Array(plain.utf8)) == encoded)
      #expect(Base64.decode(encoded) == Array(plain.utf8))
    }
    var random = SeededRandom(seed: 1)
    for count in 0..<100 {
      let bytes = random.bytes(count)
      #expect(Base64.decode(Base64.encode(bytes)) == bytes)
    }
    // Padding may lack, but nothing follows it.
    #expect(Base64.decode("Zm9vYg") == Array("foob".utf8))
    for wrong in ["Z", "Zg=!", "Zm9vY", "Zm=9", "Zm 9", "\u{e9}"] {
      #expect(Base64.decode(wrong) == nil)
    }
  }

  @Test func hexadecimal() {
    #expect(Hexadecimal.decode("00fFa5") == [0, 255, 165])
    for wrong in ["0", "0g", "é"] { #expect(Hexadecimal.decode(wrong) == nil) }
    #expect(Hexadecimal.encode([0, 255, 165]) == "00ffa5")
  }

  @Test func encodesAddresses() {
    let text = "a b+c%=ü/~*'(日"
    let encoded = PercentEncoding.encode(text, keeping: "/")
    #expect(encoded == "a%20b%2Bc%25%3D%C3%BC/~%2A%27%28%E6%97%A5")
    #expect(PercentEncoding.decode(encoded) == text)
    #expect(PercentEncoding.decode("a+b%2B", plusIsSpace: true) == "a b+")
    for wrong in ["%", "%1", "%gg", "%ff"] { #expect(PercentEncoding.decode(wrong) == nil) }
  }
}
