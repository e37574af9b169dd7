// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import _WeirTestSupport

@testable internal import WeirStorageS3

@Suite struct XMLTests {
  @Test func readsWhatServicesAnswer() throws {
    let text = """
      <?xml version="1.0" encoding="UTF-8"?>
      <!-- a comment -->
      <s3:List xmlns:s3="http://x" a='>' b="/">
        <Key>a&amp;b &lt;&gt;&quot;&apos;&#13;&#xe9;</Key><Empty/><Empty /><Data><![CDATA[<x>]]></Data>
        <Contents><Key>k</Key></Contents>
      </s3:List>

      """
    let root = try #require(XMLElement.parse(Array(text.utf8)))
    #expect(root.name == "List")
    #expect(root.text(of: "Key") == "a&b <>\"'\r\u{e9}")
    #expect(root.text(of: "Empty") == "")
    #expect(root.text(of: "Data") == "<x>")
    #expect(root["Contents"]?.text(of: "Key") == "k")
    #expect(root.children.count == 5)
  }

  @Test func refusesWhatIsNone() {
    let wrong = [
      "", "x", "<", "<a", "<a>", "<a></b>", "<a></a", "<a></a><b/>", "<a>&nope;</a>", "<a>&#;</a>",
      "<a>&#xd800;</a>", "<a>&#99999999999;</a>", "<!DOCTYPE a><a/>", "<a x=\"></a>",
      "<a><!-- </a>",
      "<a><![CDATA[</a>", "<a>&", "<?xml", "<></>", "</a>", "<a x<b></a>",
    ]
    for text in wrong { #expect(XMLElement.parse(Array(text.utf8)) == nil, "\(text)") }
    let deep = String(repeating: "<a>", count: 100_000)
    #expect(XMLElement.parse(Array(deep.utf8)) == nil)
    let many = "<r>" + String(repeating: "<a/>", count: XMLElement.countMax) + "</r>"
    #expect(XMLElement.parse(Array(many.utf8)) == nil)
  }

  @Test func survivesDamage() {
    var random = SeededRandom(seed: 3)
    let text = Array("<?xml?><a><b x='1'>&amp;t&#65;</b><c/><![CDATA[d]]><!-- e --></a>".utf8)
    for _ in 0..<5_000 {
      var bytes = text
      for _ in 0..<random.int(1...4) {
        switch random.int(0..<3) {
        case 0: bytes[random.int(0..<bytes.count)] = random.pick(text)
        case 1: bytes.removeSubrange(random.int(0..<bytes.count)...)
        default: bytes.insert(random.pick(text), at: random.int(0...bytes.count))
        }
        if bytes.isEmpty { break }
      }
      _ = XMLElement.parse(bytes)
    }
  }
}
