// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

/// Predicates beside DuckDB's outcomes for them, see `testdata/expressions/generate.py`.
@Suite struct PredicateGoldenTests {
  private func bytes(_ name: String) throws -> [UInt8] {
    var root = URL(filePath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    return [UInt8](try Data(contentsOf: root.appending(path: "testdata/expressions/\(name)")))
  }

  @Test func agreesWithDuckDB() throws {
    let reader = try ArrowStreamReader(Buffer(try bytes("rows.arrows")))
    let batch = try #require(try reader.next())
    let lines = String(decoding: try bytes("cases.txt"), as: UTF8.self).split(separator: "\n")
    #expect(lines.count > 500)
    for line in lines {
      let parts = line.split(separator: "\t", maxSplits: 1)
      let text = String(parts[1])
      do throws(ColumnarError) {
        let bound = try BoundPredicate(parsing: text, schema: batch.schema)
        let outcome = rows(try bound.evaluate(batch)).map { value -> Character in
          if case .bool(let value) = value { value ? "T" : "F" } else { "N" }
        }
        #expect(String(outcome) == parts[0], "\(text)")
        let predicate = try Predicate(parsing: text)
        #expect(try Predicate(parsing: predicate.description) == predicate, "\(text)")
      } catch { Issue.record("\(text): \(error)") }
    }
  }
}
