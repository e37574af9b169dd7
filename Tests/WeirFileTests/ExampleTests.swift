// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Testing
internal import WeirColumnar
internal import WeirStorage

@testable internal import WeirFile

/// The specification's example, decoded from its page.
struct ExampleTests {
  /// The bytes of the block of lines "offset: bytes"; what lies between is zeros.
  private func example() throws -> [UInt8] {
    let path = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let text = try String(
      contentsOf: URL(filePath: "/\(path)/docs/specs/weir-file.md"), encoding: .utf8)
    var bytes: [UInt8] = []
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":")
      guard parts.count == 2, parts[0].count == 4, let at = Int(parts[0], radix: 16) else {
        continue
      }
      bytes += [UInt8](repeating: 0, count: at - bytes.count)
      bytes += parts[1].split(separator: " ").compactMap { UInt8($0, radix: 16) }
    }
    return bytes
  }

  @Test func theSpecificationsExample() throws {
    let store = MemoryObjectStore()
    try store.put("example", Buffer(try example()))
    let reader = try WeirFileReader(try store.open("example"))
    #expect(
      try reader.schema.fields.map(\.description) == [
        "id: int64 not null", "score: float32", "last: list<item: int32 not null> not null",
      ])
    #expect(try reader.schema.metadata["made"] == "by hand")
    let batch = try #require(try reader.batches().next())
    let expected: [[Scalar]] = [
      [.int(1_000), .float32(0.5), .list([.int(72), .int(73), .int(74)])],
      [.int(1_001), .null, .list([.int(72), .int(73), .int(74)])],
      [.int(1_003), .float32(-2), .list([.int(71), .int(72), .int(73)])],
      [.int(1_002), .float32(3.25), .list([.int(70), .int(71), .int(72)])],
    ]
    for (row, values) in expected.enumerated() {
      #expect(batch.columns.map { $0.scalar(at: row) } == values)
    }
    let last = try reader.take(rows: [3, 0], columns: ["last"])
    #expect(last.columns[0].scalar(at: 0) == expected[3][2])
  }
}
