// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirTable

@Suite struct AvroFileTests {
  private func varint(_ value: Int64) -> [UInt8] {
    let encoder = AvroEncoder()
    encoder.long(value)
    return encoder.finish().array(of: UInt8.self)
  }

  @Test func numbers() throws {
    for value: Int64 in [0, -1, 1, 63, -64, 64, 1 << 31, .max, .min, -(1 << 40)] {
      let buffer = Buffer(varint(value))
      var cursor = AvroCursor(buffer)
      #expect(try cursor.long() == value && cursor.left == 0)
      cursor.position = 0
      try cursor.skipLong()
      #expect(cursor.left == 0)
      for cut in 0..<buffer.count {
        let short = buffer.slice(offset: 0, count: cut)
        var cursor = AvroCursor(short)
        #expect(throws: TableError.self) { try cursor.long() }
        cursor.position = 0
        #expect(throws: TableError.self) { try cursor.skipLong() }
      }
    }
    let tooLong = Buffer([UInt8](repeating: 0x80, count: 10) + [0])
    let tooLarge = Buffer([UInt8](repeating: 0xff, count: 9) + [2])
    for buffer in [tooLong, tooLarge] {
      var cursor = AvroCursor(buffer)
      #expect(throws: TableError.self) { try cursor.long() }
      cursor.position = 0
      #expect(throws: TableError.self) { try cursor.skipLong() }
    }
  }

  private static let schema = """
    {"type":"record","name":"r","fields":[{"name":"a","type":"bytes","field-id":1},
    {"name":"b","type":{"type":"array","items":"long"},"field-id":2}]}
    """

  private func file(_ codec: AvroCodec, blocks: Int = 3) throws -> [UInt8] {
    let writer = AvroFileWriter(schema: Self.schema, metadata: [("k", "v")], codec: codec)
    let scratch = AvroEncoder()
    for index in 0..<blocks {
      writer.encoder.bytes([UInt8](repeating: UInt8(index), count: 70_000))
      writer.encoder.block(3, scratch) { items in for item in 0..<3 { items.long(item) } }
      try writer.endRecord()
    }
    return try writer.finish().array(of: UInt8.self)
  }

  @Test(arguments: AvroCodec.allCases) func blocks(codec: AvroCodec) throws {
    let bytes = try file(codec)
    let reader = try AvroFileReader(Buffer(bytes), name: "f")
    #expect(reader.text("k") == "v" && reader.codec == codec)
    var count = 0
    let fields = try FieldReader(reader.type, [2, 1, 9], name: "f")
    try reader.forEachRecord { (cursor) throws(TableError) in
      let values = try fields.read(&cursor)
      #expect(values[0] == .list([.int(0), .int(1), .int(2)]))
      #expect(values[1] == .binary([UInt8](repeating: UInt8(count), count: 70_000)))
      #expect(values[2] == .null)
      count += 1
    }
    #expect(count == 3)
    // Every cut is noticed, but for the ends of blocks.
    var whole = 0
    for cut in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 300)) {
      do throws(TableError) {
        let reader = try AvroFileReader(Buffer(Array(bytes[..<cut])), name: "f")
        while try reader.nextBlock() != nil {}
        whole += 1
      } catch { #expect(error.file == "f") }
    }
    #expect(whole <= 3)
  }

  @Test(arguments: [AvroCodec.deflate, .zstandard, .snappy])
  func bombsAreBounded(codec: AvroCodec) throws {
    let writer = AvroFileWriter(schema: "\"bytes\"", metadata: [], codec: codec)
    writer.encoder.bytes([UInt8](repeating: 0, count: 8 << 20))
    try writer.endRecord()
    let bytes = try writer.finish()
    let reader = try AvroFileReader(bytes, name: "bomb", blockBytesMax: 1 << 20)
    let error = #expect(throws: TableError.self) { try reader.nextBlock() }
    #expect(error?.file == "bomb")
    #expect(try AvroFileReader(bytes, name: "bomb").nextBlock()?.recordCount == 1)
  }

  @Test func snappyChecksum() throws {
    var bytes = try file(.snappy, blocks: 1)
    bytes[bytes.count - 17] ^= 1
    let reader = try AvroFileReader(Buffer(bytes), name: "f")
    #expect(throws: TableError.self) { try reader.nextBlock() }
  }

  @Test(arguments: [
    (#""nothing""#, TableError.Code.damaged),
    (#"{"type":"record","name":"a","fields":[{"name":"x","type":["null","a"]}]}"#, .unsupported),
    (#"{"type":"array","items":"null"}"#, .unsupported),
    (#"{"type":"fixed","name":"f","size":-1}"#, .damaged),
    (#"{"type":"fixed","name":"f","size":1e12}"#, .damaged),
    (#"{"type":"record","name":"a"}"#, .damaged), ("[]", .damaged), ("17", .damaged),
    ("", .damaged),
    (String(repeating: "[", count: 1_000), .damaged),
  ])
  func hostileSchemas(text: String, code: TableError.Code) {
    let error = #expect(throws: TableError.self) { try AvroType(schema: Array(text.utf8)) }
    #expect(error?.code == code)
  }

  /// Records within records, each twice in the next: 2^40 fields that take no bytes.
  @Test func schemasThatGrowAreRefused() {
    var text = #"{"type":"record","name":"r0","fields":[{"name":"n","type":"null"}]}"#
    for level in 1...40 {
      text = """
        {"type":"record","name":"r\(level)","fields":[{"name":"a","type":\(text)},
        {"name":"b","type":"r\(level - 1)"}]}
        """
    }
    let error = #expect(throws: TableError.self) { try AvroType(schema: Array(text.utf8)) }
    #expect(error != nil)
  }

  @Test func names() {
    let known = [
      ("abc", "abc"), ("9x", "_9x"), ("x.y", "x_x2Ey"), ("a b", "a_x20b"), ("_ok", "_ok"),
      ("größe", "größe"), ("a#b", "a_x23b"), ("☃", "_x2603"), ("😎", "_xD83D_xDE0E"),
      ("𝒳", "_xD835_xDCB3"),
    ]
    for (name, expected) in known { #expect(AvroSchemaText.sanitized(name) == expected) }
  }

  /// The schemas that other implementations keep as references.
  @Test func schemaOfManifestLists() throws {
    let own = try AvroType(
      schema: Array(
        AvroSchemaText.record("manifest_file", ManifestFields.manifestFile(formatVersion: 3)).utf8))
    let ids = own.fields?.map(\.fieldID) ?? []
    #expect(
      ids == [500, 501, 502, 517, 515, 516, 503, 504, 505, 506, 512, 513, 514, 507, 519, 520])
    let entry = try AvroType(
      schema: Array(
        AvroSchemaText.record(
          "manifest_entry", ManifestFields.entry(partition: StructType([]), formatVersion: 3)
        ).utf8))
    let plan = try EntryPlan(entry)
    #expect(plan.steps.allSatisfy { $0.slot >= 0 })
    #expect(plan.steps.count == EntryPlan.Slot.allCases.count)
  }
}
