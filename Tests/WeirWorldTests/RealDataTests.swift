// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirWorld

#if canImport(Glibc)
  internal import Glibc
#endif

/// Where the real data lies: WEIR_DATA, or next to the checkout; `nil` when it is not there.
private let dataPath: String? = {
  var candidates = ["../shared/data", "../../shared/data"]
  if let path = getenv("WEIR_DATA") { candidates.insert(String(cString: path), at: 0) }
  return candidates.first { (try? RealData.find(in: $0)) != nil }
}()

@Suite struct RealDataTests {
  @Test(
    .enabled(if: dataPath != nil),
    arguments: [
      ("xwines", "events", 150_000), ("xwines", "items", 1_007),
      ("retailrocket", "events", 97_381), ("stackexchange", "events", 5_788),
      ("stackexchange", "items", 612), ("openbandit", "items", 34),
    ])
  func rowCounts(_ name: String, _ table: String, _ expected: Int) throws {
    let path = try #require(dataPath)
    let dataSet = try RealData.find(in: path).first { $0.name == name }
    let reader = try #require(dataSet?[table: table]).open()
    var rows = 0
    while let batch = try reader.nextBatch() {
      rows += batch.rowCount
      for (field, column) in zip(batch.schema.fields, batch.columns) {
        #expect(field.nullable || column.nullCount == 0, "\(field.name)")
        try column.validate(full: true)
      }
    }
    #expect(rows == expected)
    #expect(reader.consumedByteCount == reader.totalByteCount)
  }

  @Test(.enabled(if: dataPath != nil)) func openBanditHasClicksBesideImpressions() throws {
    let path = try #require(dataPath)
    let found = try RealData.find(in: path + "/openbandit/")
    #expect(found.map(\.name) == ["openbandit"])
    let reader = try #require(found[0][table: "events"]).open()
    var counts: [String: Int] = [:]
    while let batch = try reader.nextBatch() {
      for row in 0..<batch.rowCount {
        let kind = batch["event"]!.scalar(at: row).text(as: .utf8)
        let policy = batch["policy"]!.scalar(at: row).text(as: .utf8)
        counts["\(policy) \(kind)", default: 0] += 1
      }
    }
    #expect(
      counts == [
        "random impression": 10_000, "random click": 46, "bernoulli_thompson impression": 10_000,
        "bernoulli_thompson click": 69,
      ])
  }

  @Test func missingDataIsAClearError() {
    #expect {
      try RealData.find(in: "/no/such/folder")
    } throws: { error in
      let error = error as? WorldError
      return error?.code == .notFound && error?.file == "/no/such/folder"
        && error?.message.contains("xwines/") == true
    }
  }
}
